"""Pieces of one turn leave together, in order, and none is left behind."""

from __future__ import annotations

import asyncio
from typing import cast

from cloister.serving._joining import JoinedTransport

LONG = b"x" * (17 << 10)


class Wire:
    """What leaves, piece by piece."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.sent.append(data)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close

    def get_extra_info(self, name: str) -> str:
        return name

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        raise NotImplementedError


async def joined(wire: Wire) -> JoinedTransport:
    return JoinedTransport(cast("asyncio.Transport", wire), asyncio.get_running_loop())


def test_a_head_and_its_body_leave_as_one_piece_and_the_next_turn_has_its_own() -> None:
    async def speak() -> list[bytes]:
        wire = Wire()
        transport = await joined(wire)
        transport.write(b"head ")
        transport.write(b"body")
        assert wire.sent == []
        await asyncio.sleep(0)
        transport.write(b"next")
        await asyncio.sleep(0)
        return wire.sent

    assert asyncio.run(speak()) == [b"head body", b"next"]


def test_a_long_piece_follows_what_was_held_and_is_not_copied() -> None:
    async def speak() -> list[bytes]:
        wire = Wire()
        transport = await joined(wire)
        for piece in (b"head", LONG, b"end"):
            transport.write(piece)
        await asyncio.sleep(0)
        return wire.sent

    sent = asyncio.run(speak())
    assert sent == [b"head", LONG, b"end"]
    assert sent[1] is LONG


def test_closing_sends_what_is_held_and_aborting_does_not() -> None:
    async def speak(*, gently: bool) -> list[bytes]:
        wire = Wire()
        transport = await joined(wire)
        transport.write(b"last words")
        (transport.close if gently else transport.abort)()
        await asyncio.sleep(0)
        assert transport.is_closing()
        return wire.sent

    assert asyncio.run(speak(gently=True)) == [b"last words"]
    assert asyncio.run(speak(gently=False)) == []
