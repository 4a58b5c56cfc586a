"""Page tokens: where the next page begins, in a form that clients pass back unread."""

from __future__ import annotations

import base64
import binascii
import json

from cloister.core.errors import BadInput

_FARTHEST = 1 << 40


def offset_of(token: str | None) -> int:
    """Where the page begins; raises BadInput for a token that is not ours."""
    if not token:
        return 0
    try:
        fields = json.loads(base64.b64decode(token, validate=True))
        offset = int(fields["offset"])
    except (binascii.Error, ValueError, TypeError, KeyError, RecursionError) as error:
        raise BadInput("Invalid page token: it is not one that a page before gave") from error
    if not 0 <= offset <= _FARTHEST:
        raise BadInput("Invalid page token: its offset is out of range")
    return offset


def token_at(offset: int) -> str:
    """The token of the page that begins there."""
    return base64.b64encode(json.dumps({"offset": offset}).encode()).decode("ascii")
