"""What a request says of itself, to show it in the queue; see `requests`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from cloister.core.encoding import to_bytes


def words(value: Mapping[str, Any]) -> tuple[str, ...]:
    """Its command line."""
    if "resume" in value:
        return ("--resume", str(value["resume"]))
    if "replay" in value:
        return ("--reproduce", str(value["replay"]))
    return unspelled(value["argv"])


def on(value: Mapping[str, Any]) -> str | None:
    """The other machine that it runs on; None: this one."""
    return unspelled([value["on"]])[0] if "on" in value else None


def unspelled(texts: Sequence[str]) -> tuple[str, ...]:
    """Words as they were given, whose bytes the request spells as text."""
    return tuple(os.fsdecode(to_bytes(text)) for text in texts)
