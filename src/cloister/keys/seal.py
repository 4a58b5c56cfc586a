"""Sealed objects: plaintext in, authenticated bytes out, and back.

Format: docs/formats/sealed-object.md.

An object is sealed under a fresh object key that the key service granted; these functions hold
that key and nothing above it. Truncation, reordering, frames of another object, another key and
any changed bit raise Tampered, before the affected plaintext is given out.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cloister.core.errors import Tampered
from cloister.core.values import KeyGrant
from cloister.keys._frames import (
    FRAME_SIZE,
    HEADER_SIZE,
    TAG_SIZE,
    FrameCipher,
    Header,
    Layout,
)

ReadAt = Callable[[int, int], bytes]
"""Gives (offset, size) of the sealed bytes; fewer only at their end."""


def sealed_size(size_bytes: int, frame_size: int = FRAME_SIZE) -> int:
    """How many bytes an object of ``size_bytes`` takes when sealed."""
    return Layout(size_bytes, frame_size).sealed_size


def seal(plaintext: bytes | memoryview, grant: KeyGrant, frame_size: int = FRAME_SIZE) -> bytes:
    """The sealed object that holds ``plaintext``."""
    cipher = _new_cipher(grant, frame_size)
    plain = memoryview(plaintext)
    layout = Layout(plain.nbytes, frame_size)
    sealed = bytearray(layout.sealed_size)
    sealed[:HEADER_SIZE] = cipher.header
    out = memoryview(sealed)
    tags = bytearray()
    for index in range(layout.frames):
        start, length = layout.frame(index)
        # The tag lands where the next frame or the trailer will be written over it.
        room = out[start : start + length + TAG_SIZE]
        offset = start - HEADER_SIZE
        last = index == layout.frames - 1
        cipher.seal_into(index, last, plain[offset : offset + length], room)
        tags += room[length:]
    out[layout.tag(0) :] = tags
    return bytes(sealed)


def seal_stream(
    chunks: Iterable[bytes], grant: KeyGrant, frame_size: int = FRAME_SIZE
) -> Iterator[bytes]:
    """The sealed object piece by piece, in memory of a few frames whatever its size.

    Chunks may have any length; chunks of exactly one frame are sealed without a copy.
    """
    cipher = _new_cipher(grant, frame_size)
    room = memoryview(bytearray(frame_size + TAG_SIZE))
    tags = bytearray()
    yield cipher.header
    index, held = 0, None
    for frame in _frames(chunks, frame_size):
        if held is not None:  # only the next frame tells that this one is not the last
            yield _seal_frame(cipher, index, False, held, room, tags)
            index += 1
        held = frame
    yield _seal_frame(cipher, index, True, held or b"", room, tags)
    yield bytes(tags)


def open_sealed(sealed: bytes | memoryview, object_key: bytes, seal_id: bytes) -> bytes:
    """The plaintext of a whole sealed object; raises Tampered."""
    view = memoryview(sealed)
    header = Header.unpack(bytes(view[:HEADER_SIZE]), seal_id)
    cipher = FrameCipher.to_open(object_key, header)
    layout = Layout.of_sealed(view.nbytes, header.frame_size)
    plain = bytearray(layout.size)
    out = memoryview(plain)
    scratch = bytearray(min(layout.size, header.frame_size) + TAG_SIZE)
    for index in range(layout.frames):
        start, length = layout.frame(index)
        tag = layout.tag(index)
        framed = memoryview(scratch)[: length + TAG_SIZE]
        framed[:length] = view[start : start + length]
        framed[length:] = view[tag : tag + TAG_SIZE]
        offset = start - HEADER_SIZE
        last = index == layout.frames - 1
        cipher.open_into(index, last, framed, out[offset : offset + length])
    return bytes(plain)


class SealedReader:
    """Random access to the plaintext of one sealed object.

    The last frame is authenticated before anything is given out, so that `size` and the end of
    the object are certain. One frame is kept; not safe for use by several threads at once.
    """

    def __init__(self, read_at: ReadAt, size: int, object_key: bytes, seal_id: bytes) -> None:
        self._read_at = read_at
        self._sealed_size = size
        self._object_key = object_key
        self._seal_id = seal_id
        self._opened: tuple[FrameCipher, Layout] | None = None
        self._kept: tuple[int, bytes] = (-1, b"")

    @property
    def size(self) -> int:
        """Bytes of plaintext; raises Tampered."""
        return self._open()[1].size

    def read_at(self, offset: int, size: int) -> bytes:
        """Up to ``size`` bytes from ``offset``, fewer only at the end; raises Tampered."""
        layout = self._open()[1]
        end = min(offset + size, layout.size)
        pieces = []
        while offset < end:
            index, within = divmod(offset, layout.frame_size)
            piece = self._frame(index)[within : within + end - offset]
            pieces.append(piece)
            offset += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def chunks(self) -> Iterator[bytes]:
        """The whole plaintext in order, a frame at a time; raises Tampered."""
        layout = self._open()[1]
        for index in range(layout.frames):
            if frame := self._frame(index):
                yield frame

    def _open(self) -> tuple[FrameCipher, Layout]:
        if self._opened is None:
            header = Header.unpack(self._read_at(0, HEADER_SIZE), self._seal_id)
            cipher = FrameCipher.to_open(self._object_key, header)
            layout = Layout.of_sealed(self._sealed_size, header.frame_size)
            self._kept = _read_frame(self._read_at, cipher, layout, layout.frames - 1)
            self._opened = cipher, layout
        return self._opened

    def _frame(self, index: int) -> bytes:
        if self._kept[0] != index:
            self._kept = _read_frame(self._read_at, *self._open(), index)
        return self._kept[1]


def seal_field(object_key: bytes, purpose: str, plaintext: bytes, context: bytes) -> bytes:
    """A small value (a name, a label) under a key derived from an object's key.

    ``purpose`` separates kinds of fields, ``context`` binds the value to its row: it opens
    only where both are the same.
    """
    nonce = secrets.token_bytes(12)
    cipher = _field_cipher(object_key, purpose)
    return b"\x01" + nonce + cipher.encrypt(nonce, plaintext, _field_aad(purpose, context))


def open_field(object_key: bytes, purpose: str, sealed: bytes, context: bytes) -> bytes:
    """The value `seal_field` sealed; raises Tampered."""
    if len(sealed) < 29 or sealed[0] != 1:
        raise Tampered(f"sealed field {purpose}: not a version 1 field")
    try:
        cipher = _field_cipher(object_key, purpose)
        return cipher.decrypt(sealed[1:13], sealed[13:], _field_aad(purpose, context))
    except InvalidTag as error:
        raise Tampered(f"sealed field {purpose}: fails authentication") from error


def _new_cipher(grant: KeyGrant, frame_size: int) -> FrameCipher:
    prefix = secrets.token_bytes(7)
    return FrameCipher.to_seal(grant.object_key, grant.seal_id, prefix, frame_size)


def _frames(chunks: Iterable[bytes], frame_size: int) -> Iterator[bytes]:
    """The same bytes in pieces of exactly ``frame_size``, but for the last."""
    pending = bytearray()
    for chunk in chunks:
        if not pending and len(chunk) == frame_size:
            yield chunk
            continue
        pending += chunk
        while len(pending) >= frame_size:
            yield bytes(memoryview(pending)[:frame_size])
            del pending[:frame_size]
    if pending:
        yield bytes(pending)


def _seal_frame(
    cipher: FrameCipher,
    index: int,
    last: bool,
    frame: bytes,
    room: memoryview,
    tags: bytearray,
) -> bytes:
    used = room[: len(frame) + TAG_SIZE]
    cipher.seal_into(index, last, frame, used)
    tags += used[-TAG_SIZE:]
    return bytes(used[:-TAG_SIZE])


def _read_frame(
    read_at: ReadAt, cipher: FrameCipher, layout: Layout, index: int
) -> tuple[int, bytes]:
    start, length = layout.frame(index)
    sealed = bytearray(read_at(start, length))
    sealed += read_at(layout.tag(index), TAG_SIZE)
    if len(sealed) != length + TAG_SIZE:
        raise Tampered(f"sealed object: bytes of frame {index} are missing")
    plain = bytearray(length)
    last = index == layout.frames - 1
    cipher.open_into(index, last, memoryview(sealed), memoryview(plain))
    return index, bytes(plain)


def _field_cipher(object_key: bytes, purpose: str) -> AESGCM:
    info = b"cloister sealed-field v1 " + purpose.encode()
    return AESGCM(HKDF(SHA256(), 32, None, info).derive(object_key))


def _field_aad(purpose: str, context: bytes) -> bytes:
    name = purpose.encode()
    return b"cloister sealed-field v1" + len(name).to_bytes(2, "big") + name + context
