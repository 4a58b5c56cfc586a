"""Who asks: what a request presents, and the seam that tells whose it is."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable

from starlette.datastructures import Headers

from cloister.workflows.tracking.visit import Visit

Doorkeeper = Callable[[Headers], Visit | None]
"""The visit of whoever sent these headers, or None for nobody we know.

Called in a thread for every request but the open ones, before anything but a small body is
read; once for a group that shows the same ``authorization``, the one header it looks at."""


def presented_token(headers: Headers) -> str | None:
    """The token of a ``Bearer`` header, or the password of a ``Basic`` one (RFC 6750, 7617)."""
    presented = headers.getlist("authorization")
    if len(presented) != 1:
        return None
    scheme, _, value = presented[0].partition(" ")
    if scheme.lower() == "bearer":
        return value.strip() or None
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(value.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    return decoded.partition(":")[2] or None
