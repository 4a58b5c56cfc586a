"""Messages to a worker on another machine and back, each sealed under the connection's key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgpack  # type: ignore[import-untyped]

from cloister.core.errors import Tampered
from cloister.keys.seal import open_field, seal_field

HEARTBEAT_S = 5.0
QUIET_S = 30.0
"""An end that heard nothing for so long takes the other for gone."""


class Line(Protocol):
    """Carries what is sealed: in order, each once, or not at all from some moment on."""

    where: str
    """What goes on record of the other machine: its address, and by what it was known."""

    def say(self, sealed: bytes) -> None:
        """Sends; of a line that is gone nobody hears."""

    def hear(self, patience_s: float) -> bytes | None:
        """What came next; None where nothing came in time. Raises Gone."""

    def close(self) -> None:
        """Hangs up: the other end hears of it, and ends."""


class Gone(Exception):
    """The other end is not there any more; says why, as far as anybody knows."""


class Sealing:
    """One end's key at work.

    Each way the messages are counted: one that was changed, dropped, repeated, moved or sent
    back opens nothing. Raises Tampered.
    """

    def __init__(self, key: bytes, *, far: bool) -> None:
        self._key = key
        self._out, self._in = ("from far", "to far") if far else ("to far", "from far")
        self._sent = self._heard = 0

    def seal(self, told: Mapping[str, Any]) -> bytes:
        """A message as it goes over the line, to be sent before the next is sealed."""
        self._sent += 1
        plain = msgpack.packb(dict(told))
        return seal_field(self._key, self._out, plain, self._sent.to_bytes(8, "big"))

    def open(self, sealed: bytes) -> dict[str, Any]:
        """The message that is next."""
        self._heard += 1
        plain = open_field(self._key, self._in, sealed, self._heard.to_bytes(8, "big"))
        told = msgpack.unpackb(plain, strict_map_key=False)
        if not isinstance(told, dict):
            raise Tampered("a message between machines is none")
        return told
