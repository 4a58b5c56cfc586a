"""What a job on another machine left, as it comes back: checked before anything believes it."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO, cast

from cloister.core.errors import NoSpace, Tampered
from cloister.fence import Change, ChangeKind
from cloister.fence.changes import LeftOut
from cloister.workflows.far.carrier import JOB, Carrier

_PAGE = 4096
"""What a file takes at least, in memory as here."""


class Returned:
    """The changes that another machine sends; see `Captured`.

    Raises Tampered for a path that leaves the folder or comes twice, for content that is not
    as long as was said; NoSpace for more than ``room`` bytes in all.
    """

    def __init__(
        self, hear: Callable[[], Mapping[str, Any]], carrier: Carrier, room: int
    ) -> None:
        self.left_out: list[LeftOut] = []
        self._hear, self._carrier, self._room = hear, carrier, room
        self._seen: set[str] = set()

    def __iter__(self) -> Iterator[Change]:
        while (told := self._hear())["do"] == "change":
            content = _Content(told, self._hear, self._carrier)
            yield self._change(told, content)
            content.skip()
        if told["do"] != "left":
            raise Tampered("what a job left ends in the middle")
        self._carrier.took(JOB, told)
        for one in told["out"]:
            if not (isinstance(one, list) and len(one) == 2 and isinstance(one[0], bytes)):
                raise Tampered("what a job could not leave is told as nothing is")
            self.left_out.append(LeftOut(os.fsdecode(one[0]), str(one[1])[:80]))

    def _change(self, told: Mapping[str, Any], content: _Content) -> Change:
        path, size = os.fsdecode(told["path"]), told["size"]
        if "\0" in path or {"", ".", ".."}.intersection(path.split("/")):
            raise Tampered("a path that came back leaves its folder")
        if path in self._seen:
            raise Tampered("a path came back twice")
        self._seen.add(path)
        self._room -= max(size, _PAGE)
        if size < 0 or self._room < 0:
            raise NoSpace(
                "the job left more on the other machine than it could have here",
                hint="have it leave less, or run it from a machine with more memory",
            )
        link = None if told["link"] is None else os.fsdecode(told["link"])
        kind = ChangeKind(told["kind"])
        source = None
        if kind is not ChangeKind.REMOVED and link is None:
            source = content.open
        return Change(path, kind, size, told["mode"] & 0o7777, link, source)


class _Content:
    """One file's content, piece by piece as it comes."""

    def __init__(
        self, told: Mapping[str, Any], hear: Callable[[], Mapping[str, Any]], carrier: Carrier
    ) -> None:
        self._hear, self._carrier = hear, carrier
        self._left = told["size"] if told["content"] or told["more"] else 0
        self._piece, self._more = b"", True
        self._take(told)

    def open(self) -> BinaryIO:
        """To be read once."""
        return cast("BinaryIO", io.BufferedReader(_Reader(self), _PAGE))

    def read_into(self, buffer: memoryview) -> int:
        """What of it is here, and fits; waits for it, and gives 0 at its end."""
        while not self._piece and self._more:
            told = self._hear()
            if told["do"] != "content":
                raise Tampered("a file that came back ends in the middle")
            self._take(told)
        found = min(len(buffer), len(self._piece))
        buffer[:found] = self._piece[:found]
        self._piece = self._piece[found:]
        return found

    def skip(self) -> None:
        """What nobody read."""
        rest = memoryview(bytearray(1 << 16))
        while self.read_into(rest):
            pass

    def _take(self, told: Mapping[str, Any]) -> None:
        self._piece, self._more = told["content"], told["more"]
        self._left -= len(self._piece)
        if self._left < 0 or (self._left and not self._more):
            raise Tampered("a file that came back is not as long as was said")
        self._carrier.took(JOB, told)


class _Reader(io.RawIOBase):
    def __init__(self, content: _Content) -> None:
        super().__init__()
        self._content = content

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._content.read_into(memoryview(buffer))
