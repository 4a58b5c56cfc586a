"""How a sealed object is laid out: header, frames, trailer (docs/formats/sealed-object.md)."""

from __future__ import annotations

import hmac
import struct
from typing import NamedTuple, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cloister.core.errors import BadInput, Tampered

FRAME_SIZE = 1 << 20
HEADER_SIZE = 64
TAG_SIZE = 16

_HEADER = struct.Struct(">4sB7sI16s32s")
_MAGIC, _VERSION = b"CLSO", 1
_SMALLEST_FRAME, _LARGEST_FRAME = 1 << 10, 1 << 26
_MOST_FRAMES = 1 << 32  # the counter's four bytes
_PURPOSE = b"cloister sealed-object v1"


class Header(NamedTuple):
    """The first 64 bytes; every one of them is authenticated with every frame."""

    nonce_prefix: bytes
    frame_size: int
    seal_id: bytes
    commitment: bytes

    def pack(self) -> bytes:
        """The header as stored."""
        return _HEADER.pack(
            _MAGIC, _VERSION, self.nonce_prefix, self.frame_size, self.seal_id, self.commitment
        )

    @classmethod
    def unpack(cls, raw: bytes, seal_id: bytes) -> Self:
        """The header in ``raw``; raises Tampered unless version 1 and of ``seal_id``."""
        if len(raw) != HEADER_SIZE:
            raise Tampered(f"sealed object {seal_id.hex()}: shorter than its header")
        magic, version, prefix, frame_size, found, commitment = _HEADER.unpack(raw)
        if magic != _MAGIC or version != _VERSION:
            raise Tampered(f"sealed object {seal_id.hex()}: not a version 1 sealed object")
        if found != seal_id:
            raise Tampered(f"sealed object {seal_id.hex()}: found seal {found.hex()} instead")
        if not _SMALLEST_FRAME <= frame_size <= _LARGEST_FRAME:
            raise Tampered(f"sealed object {seal_id.hex()}: impossible frame size {frame_size}")
        return cls(prefix, frame_size, found, commitment)


class Layout(NamedTuple):
    """Where frames and tags lie in a sealed object of so many plaintext bytes."""

    size: int
    """Of the plaintext."""
    frame_size: int

    @classmethod
    def of_sealed(cls, sealed_size: int, frame_size: int) -> Self:
        """The layout that gives this sealed size; raises Tampered where none does."""
        body = sealed_size - HEADER_SIZE
        frames = max(1, -(-body // (frame_size + TAG_SIZE)))
        layout = cls(body - frames * TAG_SIZE, frame_size)
        if layout.size < 0 or layout.frames != frames:
            raise Tampered("sealed object: its size is not that of any whole object")
        return layout

    @property
    def frames(self) -> int:
        """How many; an empty plaintext has one, so that emptiness is authenticated."""
        return max(1, -(-self.size // self.frame_size))

    @property
    def sealed_size(self) -> int:
        """Of header, frames and trailer."""
        return HEADER_SIZE + self.size + self.frames * TAG_SIZE

    def frame(self, index: int) -> tuple[int, int]:
        """Offset and length of a frame's ciphertext."""
        start = index * self.frame_size
        return HEADER_SIZE + start, min(self.frame_size, self.size - start)

    def tag(self, index: int) -> int:
        """Offset of a frame's tag."""
        return HEADER_SIZE + self.size + index * TAG_SIZE


class FrameCipher:
    """Seals and opens the frames of one object: AES-256-GCM in the STREAM construction.

    STREAM (Hoang, Reyhanitabar, Rogaway, Vizar 2015): nonce = prefix, counter, last flag, so
    frames cannot be reordered, dropped, repeated or cut short. GCM does not commit to its key,
    so the header carries an HKDF output beside the frame key (RFC 5869).
    """

    def __init__(self, header: Header, cipher: AESGCM) -> None:
        self._header = header
        self._aad = header.pack()
        self._cipher = cipher

    @classmethod
    def to_seal(
        cls, object_key: bytes, seal_id: bytes, nonce_prefix: bytes, frame: int
    ) -> Self:
        """A cipher for a new object."""
        if not _SMALLEST_FRAME <= frame <= _LARGEST_FRAME:
            raise BadInput(f"frame size {frame}: expected 1 KiB to 64 MiB")
        key, commitment = _derive(object_key, seal_id)
        return cls(Header(nonce_prefix, frame, seal_id, commitment), AESGCM(key))

    @classmethod
    def to_open(cls, object_key: bytes, header: Header) -> Self:
        """A cipher for an object that exists; raises Tampered if this is not its key."""
        key, commitment = _derive(object_key, header.seal_id)
        if not hmac.compare_digest(commitment, header.commitment):
            raise Tampered(f"sealed object {header.seal_id.hex()}: not sealed under this key")
        return cls(header, AESGCM(key))

    @property
    def header(self) -> bytes:
        """The 64 bytes before the first frame."""
        return self._aad

    def seal_into(
        self, index: int, last: bool, frame: bytes | memoryview, out: memoryview
    ) -> None:
        """Writes a frame's ciphertext and its tag, together, into ``out``."""
        self._cipher.encrypt_into(self._nonce(index, last), frame, self._aad, out)

    def open(self, index: int, last: bool, framed: bytes | memoryview) -> bytes:
        """The plaintext of ciphertext + tag; raises Tampered."""
        try:
            return self._cipher.decrypt(self._nonce(index, last), framed, self._aad)
        except InvalidTag as error:
            seal = self._header.seal_id.hex()
            raise Tampered(f"sealed object {seal}: frame {index} is not authentic") from error

    def _nonce(self, index: int, last: bool) -> bytes:
        if index >= _MOST_FRAMES:
            raise BadInput("sealed object: more than 2^32 frames; use larger frames")
        flag = b"\x01" if last else b"\x00"
        return self._header.nonce_prefix + index.to_bytes(4, "big") + flag


def _derive(object_key: bytes, seal_id: bytes) -> tuple[bytes, bytes]:
    okm = HKDF(SHA256(), 64, seal_id, _PURPOSE).derive(object_key)
    return okm[:32], okm[32:]
