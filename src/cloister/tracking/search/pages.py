"""Pages: how much a client asks for, and tokens that say where the next one begins.

Clients pass a token back unread.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from cloister.core.errors import BadInput

T = TypeVar("T")
U = TypeVar("U")

FARTHEST = 1 << 40


class Page(NamedTuple, Generic[T]):
    """Some of what matches, and where the next page begins."""

    found: Sequence[T]
    next_token: str | None


class Window(NamedTuple):
    """The page that a client asks for."""

    offset: int
    most: int

    @classmethod
    def asked(cls, most: int, token: str | None, limit: int = FARTHEST) -> Window:
        """So many from where ``token`` says; raises BadInput for none and above ``limit``."""
        if not 0 < most <= limit:
            raise BadInput(
                f"Invalid value {most} for parameter 'max_results' supplied. It must be at"
                f" least 1 and at most {limit}"
            )
        return cls(offset_of(token), most)

    @property
    def bounds(self) -> tuple[int, int]:
        """(offset, most) to select: one more than the page holds, to know of others behind."""
        return self.offset, self.most + 1

    def page(self, found: Sequence[T], shown: Callable[[Sequence[T]], Sequence[U]]) -> Page[U]:
        """The page of what was selected, each as ``shown`` completes it."""
        more = len(found) > self.most
        following = token_at(self.offset + self.most) if more else None
        return Page(shown(found[: self.most]), following)


def offset_of(token: str | None) -> int:
    """Where the page begins; raises BadInput for a token that is not ours."""
    if not token:
        return 0
    try:
        fields = json.loads(base64.b64decode(token, validate=True))
        offset = int(fields["offset"])
    except (binascii.Error, ValueError, TypeError, KeyError, RecursionError) as error:
        raise BadInput("Invalid page token: it is not one that a page before gave") from error
    if not 0 <= offset <= FARTHEST:
        raise BadInput("Invalid page token: its offset is out of range")
    return offset


def token_at(offset: int) -> str:
    """The token of the page that begins there."""
    return base64.b64encode(json.dumps({"offset": offset}).encode()).decode("ascii")
