"""Where sealed bytes rest: the seam every object store implements."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from cloister.core.errors import BadInput

_PART = r"[a-z0-9][a-z0-9._-]{0,126}"
_KEY = re.compile(rf"{_PART}(?:/{_PART}){{0,7}}")
LONGEST_KEY = 512

Key = str | Callable[[], str]
"""A key, or what gives it once the last chunk was taken (a name that is a hash)."""


@dataclass(frozen=True, slots=True)
class BlobStat:
    """What a backend knows of one blob without reading it."""

    size_bytes: int
    written: datetime
    retained_until: datetime | None
    """UTC; None when it was never retained."""


class Backend(Protocol):
    """Immutable blobs under keys; any number of threads and processes at once.

    **Atomic.** A key names nothing or all the bytes of one completed put: a put that fails,
    or whose process dies, leaves nothing to see. Of concurrent puts to one key one wins.

    **Ordered.** When `put_if_absent` or `retain` returns, a power cut does not undo it; that
    holds as well for the put that returns False because another one was first.

    **Write-once.** No verb changes the bytes of a blob or brings a retention forward.

    **Failing.** BadInput: a malformed key. NoSpace: nothing became visible, go on when there
    is room. DurabilityLost: the disk failed a write; every later write through this object
    raises it too. NotAllowed: the operating system forbids it. IntegrityError: the disk
    cannot read a blob it holds. A failed verb is not retried inside.
    """

    def put_if_absent(self, key: Key, chunks: Iterable[bytes], size_hint: int = 0) -> bool:
        """Stores ``chunks``; False when ``key`` has a blob already, which stays as it was.

        ``key`` may be a function: it is called once, after the last chunk was taken. Errors
        of ``chunks`` pass through and leave nothing. A ``size_hint`` lets a full disk show
        before the first byte; the real size may differ.
        """

    def get(self, key: str, offset: int, size: int) -> bytes:
        """Up to ``size`` bytes from ``offset``, fewer only at the end; raises NotFound."""

    def stat(self, key: str) -> BlobStat:
        """Size, age and retention; raises NotFound."""

    def list(self, prefix: str) -> Iterator[str]:
        """Every key below the folder ``prefix`` (``""`` or ending in ``/``), in order.

        Order is that of the keys' components. A blob that exists throughout is listed once;
        one put or deleted meanwhile may be or not.
        """

    def delete(self, key: str) -> None:
        """Removes a blob; raises WriteOnce while it is retained, NotFound without one."""

    def retain(self, keys: Iterable[str], until: datetime) -> None:
        """Forbids deletion before ``until``; an earlier date than the present one is ignored.

        Raises NotFound, and retains none of ``keys``, if one has no blob.
        """

    def set_aside(self, key: str) -> None:
        """Takes a damaged blob from under its key, so that a sound one can be put there.

        Its bytes are kept where no key leads; its retention stays with the key. Only for
        bytes that are not what their key says: whoever calls has read them. Raises NotFound.
        """


def check_key(key: str) -> str:
    """``key`` if it is well-formed; raises BadInput.

    One to eight components of lower-case letters, digits, ``.``, ``_`` and ``-`` that begin
    with a letter or digit: so none can be ``..``, absolute, hidden, or differ from another
    by case alone.
    """
    if len(key) > LONGEST_KEY or not _KEY.fullmatch(key):
        raise BadInput("not a blob key: expected lower-case components joined by /")
    return key


def check_prefix(prefix: str) -> str:
    """``prefix`` if it names the root or a folder of keys; raises BadInput."""
    if prefix and not prefix.endswith("/"):
        raise BadInput("not a prefix of blob keys: expected nothing or a trailing /")
    if prefix:
        check_key(prefix[:-1])
    return prefix


def resolve_key(key: Key) -> str:
    """The key itself, well-formed, now that all chunks were taken."""
    return check_key(key if isinstance(key, str) else key())
