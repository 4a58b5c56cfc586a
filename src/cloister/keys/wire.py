"""Messages between the key service and its clients (docs/formats/keyd-protocol.md).

A message is four bytes of length, big-endian, and a msgpack map. A request names a verb, a
lease and the verb's arguments; a reply holds a value, or an error's code and message.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cloister.core import errors
from cloister.core.errors import BadInput, CloisterError, KeyServiceDown
from cloister.keys._pack import pack, unpack

PROTOCOL = 1
UNKNOWN_VERB = "request: no such verb"
LARGEST_MESSAGE = 16 << 20

_LENGTH = struct.Struct(">I")
_PEER = struct.Struct("iII")


class Hangup(Exception):
    """The peer closed the connection."""


def send(connection: socket.socket, message: dict[str, Any]) -> None:
    """Writes one message; raises BadInput when it is beyond the cap, OSError when it fails."""
    body = pack(message)
    if len(body) > LARGEST_MESSAGE:
        raise BadInput(f"key service message of {len(body)} bytes: at most {LARGEST_MESSAGE}")
    connection.sendall(_LENGTH.pack(len(body)) + body)


def receive(connection: socket.socket, stall_s: float | None = None) -> dict[str, Any]:
    """The next message; raises Hangup at its end, BadInput for what is not a message.

    Once it has begun, its rest must follow within ``stall_s`` seconds of silence at most.
    """
    held = bytearray(_some(connection))
    if stall_s is not None:
        connection.settimeout(stall_s)
    while len(held) < _LENGTH.size:
        held += _some(connection)
    (length,) = _LENGTH.unpack_from(held)
    if length > LARGEST_MESSAGE:
        raise BadInput(f"key service message of {length} bytes: at most {LARGEST_MESSAGE}")
    while len(held) < _LENGTH.size + length:
        held += _some(connection)
    if len(held) > _LENGTH.size + length:
        raise BadInput("key service message: more than one before its reply")
    return _decoded(bytes(memoryview(held)[_LENGTH.size :]))


def failure(error: CloisterError) -> dict[str, Any]:
    """The reply that carries an error."""
    return {"ok": False, "code": error.code, "message": error.message, "hint": error.hint}


def raised(reply: dict[str, Any]) -> CloisterError:
    """The error a failed reply carries, as its own class."""
    kind = _BY_CODE.get(str(reply.get("code")), CloisterError)
    hint = reply.get("hint")
    return kind(str(reply.get("message")), hint=None if hint is None else str(hint))


@contextmanager
def reachable(path: Path) -> Iterator[str]:
    """A name for the socket that fits in 108 bytes, however long its path.

    Raises KeyServiceDown when its folder cannot be entered.
    """
    try:
        folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise KeyServiceDown("the key service's runtime folder cannot be entered") from error
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _decoded(body: bytes) -> dict[str, Any]:
    try:
        message = unpack(body)
    except (ValueError, TypeError, RecursionError) as error:
        raise BadInput("key service message: not msgpack") from error
    if not isinstance(message, dict):
        raise BadInput("key service message: not a map")
    return message


def peer_uid(connection: socket.socket) -> int:
    """The kernel's word on whose process is at the other end (unix(7), SO_PEERCRED)."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    return int(_PEER.unpack(raw)[1])


def _some(connection: socket.socket) -> bytes:
    piece = connection.recv(1 << 18)
    if not piece:
        raise Hangup
    return piece


def _tree(kind: type[CloisterError]) -> Iterator[type[CloisterError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _tree(child)


_BY_CODE = {kind.code: kind for kind in _tree(errors.CloisterError)}
