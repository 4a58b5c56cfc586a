"""Sealed objects: plaintext in, authenticated bytes out, and back.

Format: docs/formats/sealed-object.md.

An object is sealed under a fresh object key that the key service granted; these functions hold
that key and nothing above it. Truncation, reordering, frames of another object, another key and
any changed bit raise Tampered, before the affected plaintext is given out.
"""

from __future__ import annotations

import io
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
    view, sealed = memoryview(plaintext), io.BytesIO()
    sealing = _Sealing(grant, frame_size, min(view.nbytes, frame_size))
    frames = (view[at : at + frame_size] for at in range(0, view.nbytes, frame_size))
    for piece in sealing.pieces(frames):
        sealed.write(piece)
    return sealed.getvalue()


def seal_stream(
    chunks: Iterable[bytes], grant: KeyGrant, frame_size: int = FRAME_SIZE
) -> Iterator[bytes]:
    """The sealed object piece by piece, in memory of a few frames whatever its size.

    Chunks may have any length; chunks of exactly one frame are sealed without a copy.
    """
    sealing = _Sealing(grant, frame_size, frame_size)
    for piece in sealing.pieces(_reframed(chunks, frame_size)):
        yield bytes(piece)


def open_sealed(sealed: bytes | memoryview, object_key: bytes, seal_id: bytes) -> bytes:
    """The plaintext of a whole sealed object; raises Tampered."""
    view = memoryview(sealed)
    header = Header.unpack(bytes(view[:HEADER_SIZE]), seal_id)
    if Layout.of_sealed(view.nbytes, header.frame_size).frames == 1:
        # Its trailer is one tag, which follows the ciphertext as the cipher wants it.
        return FrameCipher.to_open(object_key, header).open(0, True, view[HEADER_SIZE:])
    opening = _Opening(
        lambda offset, size: view[offset : offset + size], view.nbytes, object_key, seal_id
    )
    plain = io.BytesIO()
    for index in range(opening.layout.frames):
        plain.write(opening.frame(index))
    return plain.getvalue()


class SealedReader:
    """Random access to the plaintext of one sealed object.

    The last frame is authenticated before anything is given out, so that `size` and the end of
    the object are certain. One frame is kept; not safe for use by several threads at once.
    """

    def __init__(self, read_at: ReadAt, size: int, object_key: bytes, seal_id: bytes) -> None:
        self._sealed = read_at, size, object_key, seal_id
        self._opening: _Opening | None = None
        self._kept = -1, b""

    @property
    def size(self) -> int:
        """Bytes of plaintext; raises Tampered."""
        return self._opened().layout.size

    def read_at(self, offset: int, size: int) -> bytes:
        """Up to ``size`` bytes from ``offset``, fewer only at the end; raises Tampered."""
        layout = self._opened().layout
        end = min(offset + size, layout.size)
        pieces = []
        while offset < end:
            index, within = divmod(offset, layout.frame_size)
            pieces.append(self._frame(index)[within : within + end - offset])
            offset += len(pieces[-1])
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def chunks(self) -> Iterator[bytes]:
        """The whole plaintext in order, a frame at a time; raises Tampered."""
        for index in range(self._opened().layout.frames):
            if frame := self._frame(index):
                yield frame

    def _opened(self) -> _Opening:
        if self._opening is None:
            opening = _Opening(*self._sealed)
            last = opening.layout.frames - 1
            self._kept = last, opening.frame(last)
            self._opening = opening
        return self._opening

    def _frame(self, index: int) -> bytes:
        if self._kept[0] != index:
            self._kept = index, self._opened().frame(index)
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


class _Sealing:
    """One object on its way into its sealed form, through one reused buffer."""

    def __init__(self, grant: KeyGrant, frame_size: int, largest: int) -> None:
        self._cipher = FrameCipher.to_seal(
            grant.object_key, grant.seal_id, secrets.token_bytes(7), frame_size
        )
        self._room = memoryview(bytearray(largest + TAG_SIZE))
        self._tags = bytearray()
        self._next = 0

    def pieces(self, frames: Iterable[bytes | memoryview]) -> Iterator[bytes | memoryview]:
        """Header, ciphertexts, trailer; each piece is good until the next is asked for."""
        yield self._cipher.header
        held: bytes | memoryview | None = None
        for frame in frames:
            if held is not None:  # only the next frame tells that this one is not the last
                yield self._frame(held, last=False)
            held = frame
        yield self._frame(held or b"", last=True)
        yield bytes(self._tags)

    def _frame(self, plain: bytes | memoryview, *, last: bool) -> memoryview:
        used = self._room[: len(plain) + TAG_SIZE]
        self._cipher.seal_into(self._next, last, plain, used)
        self._tags += used[-TAG_SIZE:]
        self._next += 1
        return used[:-TAG_SIZE]


class _Opening:
    """A sealed object whose header fits its key; raises Tampered where it does not."""

    def __init__(
        self,
        read_at: Callable[[int, int], bytes | memoryview],
        size: int,
        object_key: bytes,
        seal_id: bytes,
    ) -> None:
        header = Header.unpack(bytes(read_at(0, HEADER_SIZE)), seal_id)
        self._read_at = read_at
        self._cipher = FrameCipher.to_open(object_key, header)
        self.layout = Layout.of_sealed(size, header.frame_size)
        longest = min(self.layout.size, header.frame_size) + TAG_SIZE
        self._room = memoryview(bytearray(longest))

    def frame(self, index: int) -> bytes:
        """One frame's plaintext; raises Tampered."""
        start, length = self.layout.frame(index)
        framed = self._room[: length + TAG_SIZE]
        ciphertext = self._read_at(start, length)
        tag = self._read_at(self.layout.tag(index), TAG_SIZE)
        if len(ciphertext) != length or len(tag) != TAG_SIZE:
            raise Tampered(f"sealed object: bytes of frame {index} are missing")
        framed[:length], framed[length:] = ciphertext, tag
        return self._cipher.open(index, index == self.layout.frames - 1, framed)


def _reframed(chunks: Iterable[bytes], frame_size: int) -> Iterator[bytes | memoryview]:
    """The same bytes in pieces of exactly ``frame_size``, but for the last."""
    pending = bytearray()
    for chunk in chunks:
        # A frame is held until the next is known: a buffer its owner may reuse is copied.
        view = memoryview(chunk if isinstance(chunk, bytes) else bytes(chunk))
        if pending:
            missing = frame_size - len(pending)
            pending += view[:missing]
            view = view[missing:]
            if len(pending) == frame_size:
                yield bytes(pending)
                pending.clear()
        whole = len(view) - len(view) % frame_size
        for at in range(0, whole, frame_size):
            yield view[at : at + frame_size]
        pending += view[whole:]
    if pending:
        yield bytes(pending)


def _field_cipher(object_key: bytes, purpose: str) -> AESGCM:
    info = b"cloister sealed-field v1 " + purpose.encode()
    return AESGCM(HKDF(SHA256(), 32, None, info).derive(object_key))


def _field_aad(purpose: str, context: bytes) -> bytes:
    name = purpose.encode()
    return b"cloister sealed-field v1" + len(name).to_bytes(2, "big") + name + context
