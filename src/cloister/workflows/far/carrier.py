"""What two machines send each other while one runs a job for the other: never more at a time
than the other end takes in."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from cloister.workflows.far.sealed import Gone

PIECE = 1 << 18
ROOM = 8 << 20
"""Bytes of each lane that may be under way to an end."""
JOB, DOOR = "job", "door"
_HEAD = 256
_LANES = (JOB, DOOR)


def cost(told: Mapping[str, Any]) -> int:
    """What of the room a message takes, at both ends."""
    return _HEAD + len(told.get("content", b""))


def pieces(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """The content of one file as it is sent, and whether more of it follows."""
    held = None
    for chunk in chunks:
        for begin in range(0, len(chunk), PIECE):
            if held is not None:
                yield held, True
            held = chunk[begin : begin + PIECE]
    yield held or b"", False


class Carrier:
    """One end. Any thread may send; what is sent on one lane holds up no other."""

    def __init__(self, tell: Callable[[Mapping[str, Any]], None]) -> None:
        self.tell = tell
        self._changed = threading.Condition()
        self._room = dict.fromkeys(_LANES, ROOM)
        self._over = False

    def send(self, lane: str, told: Mapping[str, Any]) -> None:
        """Sends when there is room for it; raises Gone once ``end`` was called."""
        with self._changed:
            self._changed.wait_for(lambda: self._room[lane] > 0 or self._over)
            if self._over:
                raise Gone("the other end takes no more")
            self._room[lane] -= cost(told)
        self.tell(told)

    def took(self, lane: str, told: Mapping[str, Any]) -> None:
        """A message was taken in: there is room for another."""
        self.tell({"do": "took", "lane": lane, "room": cost(told)})

    def heed(self, told: Mapping[str, Any]) -> bool:
        """Takes in that the other end did; False for any other message."""
        if told["do"] != "took":
            return False
        with self._changed:
            self._room[told["lane"]] += int(told["room"])
            self._changed.notify_all()
        return True

    def end(self) -> None:
        """Whoever waits for room waits no more."""
        with self._changed:
            self._over = True
            self._changed.notify_all()
