"""Bytes as text inside JSON: standard base64, one spelling everywhere."""

from __future__ import annotations

import base64
import binascii

from cloister.core.errors import BadInput


def to_text(raw: bytes) -> str:
    """``raw`` as base64 with padding (RFC 4648 section 4)."""
    return base64.b64encode(raw).decode("ascii")


def to_bytes(text: str) -> bytes:
    """The bytes ``text`` spells; raises BadInput for anything but strict base64."""
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise BadInput("not base64") from error
