"""One save: the entries of the ledger and the blobs that came since the save before it.

Format: docs/formats/backup.md.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from cloister.core.canonical import canonical
from cloister.core.encoding import to_bytes, to_text
from cloister.core.errors import BadInput, Tampered
from cloister.core.ids import key_id
from cloister.core.values import KeyGrant, KeyRef
from cloister.keys.seal import open_sealed, seal

MARK = b"cloister save 1\n"
FOLDER = "saves/"
_LENGTH = struct.Struct(">I")
_A_FOLDER = 1000


@dataclass(frozen=True, slots=True)
class BlobRef:
    """A blob that must be at the target for this save to be whole."""

    key: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Save:
    """What one save adds to those before it."""

    lab: str
    number: int
    """1, 2, 3... within a target."""
    previous: str
    """SHA-256, hex, of the save before as it lies at the target; empty for the first."""
    first: int
    """The place of its first entry in the ledger."""
    note: str
    """The signed head over everything up to its last entry; empty where a long stretch was
    cut in pieces, and the head comes with the last of them."""
    time: str
    blobs: tuple[BlobRef, ...]
    files: Mapping[str, str]
    """Small files of the lab's folder, by name."""
    leaves: tuple[bytes, ...] = field(repr=False)

    @property
    def end(self) -> int:
        """How many entries of the ledger it and those before it hold."""
        return self.first + len(self.leaves)

    def encode(self) -> bytes:
        """The plaintext that is sealed."""
        header = canonical(
            {
                "blobs": [[blob.key, blob.size_bytes] for blob in self.blobs],
                "files": dict(self.files),
                "first": self.first,
                "format": 1,
                "lab": self.lab,
                "note": self.note,
                "number": self.number,
                "previous": self.previous,
                "time": self.time,
            }
        )
        pieces = [_LENGTH.pack(len(header)), header]
        for leaf in self.leaves:
            pieces += (_LENGTH.pack(len(leaf)), leaf)
        return b"".join(pieces)

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        """The save in ``raw``; raises Tampered."""
        try:
            parts = list(_parts(raw))
            header: dict[str, Any] = json.loads(parts[0])
            if header["format"] != 1:
                raise BadInput("the save has a format this version does not read")
            return cls(
                lab=header["lab"],
                number=header["number"],
                previous=header["previous"],
                first=header["first"],
                note=header["note"],
                time=header["time"],
                blobs=tuple(BlobRef(str(key), int(size)) for key, size in header["blobs"]),
                files=dict(header["files"]),
                leaves=tuple(parts[1:]),
            )
        except (ValueError, KeyError, TypeError, IndexError, struct.error) as error:
            raise Tampered("a save of the backup is not what Cloister writes") from error


def save_key(number: int) -> str:
    """Where a save lies at its target."""
    return f"{FOLDER}{number // _A_FOLDER:06d}/{number:09d}"


def number_of(key: str) -> int:
    """Which save lies there; raises Tampered for a name no save has."""
    name = key.rpartition("/")[2]
    if not name.isascii() or not name.isdigit() or save_key(int(name)) != key:
        raise Tampered("the backup holds a file among its saves that is none")
    return int(name)


def digest(sealed: bytes) -> str:
    """What the next save remembers of this one."""
    return hashlib.sha256(sealed).hexdigest()


def seal_save(save: Save, grant: KeyGrant) -> bytes:
    """The save as it lies at the target."""
    ref = {
        "owner": grant.owner,
        "seal": to_text(grant.seal_id),
        "wrap": to_text(grant.wrap),
    }
    head = canonical(ref)
    return b"".join([MARK, _LENGTH.pack(len(head)), head, seal(save.encode(), grant)])


def key_of(sealed: bytes) -> tuple[KeyRef, memoryview]:
    """What opens a save, and its sealed object; raises Tampered."""
    start = len(MARK) + _LENGTH.size
    if not sealed.startswith(MARK):
        raise Tampered("the backup holds a file among its saves that is none")
    try:
        (length,) = _LENGTH.unpack_from(sealed, len(MARK))
        ref = json.loads(sealed[start : start + length])
        key = KeyRef(key_id(ref["owner"]), to_bytes(ref["seal"]), to_bytes(ref["wrap"]))
    except (ValueError, KeyError, TypeError, struct.error, BadInput) as error:
        raise Tampered("a save of the backup is damaged at its beginning") from error
    return key, memoryview(sealed)[start + length :]


def open_save(sealed: bytes, object_key: bytes) -> Save:
    """The save; raises Tampered unless it was sealed under this key, whole."""
    ref, body = key_of(sealed)
    return Save.decode(open_sealed(body, object_key, ref.seal_id))


def _parts(raw: bytes) -> list[bytes]:
    parts: list[bytes] = []
    at = 0
    while at < len(raw):
        (length,) = _LENGTH.unpack_from(raw, at)
        part = raw[at + _LENGTH.size : at + _LENGTH.size + length]
        if len(part) != length:
            raise ValueError("cut short")
        parts.append(part)
        at += _LENGTH.size + length
    return parts
