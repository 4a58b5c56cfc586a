"""``file:`` provider: the root under a passphrase, the epoch KEK in one replaceable record.

Two files in the keys folder. ``root.record`` may be backed up; ``epoch.record`` never: whoever
copies it can undo the next erasure. Formats: docs/formats/epoch-record.md.
"""

from __future__ import annotations

import hashlib
import secrets
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cloister.core.errors import (
    BadInput,
    Conflict,
    CopyUnavailable,
    KeyMissing,
    Locked,
    Tampered,
)
from cloister.core.files import write_durably
from cloister.keys._secret import fresh, wipe
from cloister.keys.providers._medium import (
    file_system,
    on_copy,
    overwrite,
    overwrites_in_place,
    read_whole,
    replace,
)
from cloister.keys.providers.passphrase import Effort, RootRecord
from cloister.keys.providers.seam import Credential, DestroyReceipt, ProviderHealth
from cloister.keys.values import ShareSet

SLOT_SIZE = 4096
SLOTS = 2
PENDING = (
    "; second copy pending: it could not be reached and holds the key of epoch {epoch} until it"
    " is back, when that key is destroyed there, too"
)

_MAGIC, _VERSION = b"CLEP", 1
_START = struct.Struct(">4sB3xQ16s")
_CONTENT = _START.size + 12 + 32 + 16
_EFFORT = Effort()


@dataclass(frozen=True, slots=True)
class Slot:
    """One epoch KEK wrapped under the root, as it lies in ``epoch.record``."""

    epoch: int
    root_id: bytes
    wrap: bytes

    @classmethod
    def sealing(cls, root: bytearray, root_id: bytes, epoch: int, kek: bytearray) -> Self:
        """Wraps ``kek``."""
        start, nonce = _START.pack(_MAGIC, _VERSION, epoch, root_id), secrets.token_bytes(12)
        aad = b"cloister epoch-record v1" + start
        return cls(epoch, root_id, nonce + AESGCM(root).encrypt(nonce, kek, aad))

    @classmethod
    def unpack(cls, raw: bytes) -> Self | None:
        """The KEK in a slot, None where there is none (destroyed, or never whole)."""
        content = raw[:_CONTENT]
        if hashlib.sha256(content).digest() != raw[_CONTENT : _CONTENT + 32]:
            return None
        magic, version, epoch, root_id = _START.unpack_from(content)
        if magic != _MAGIC or version != _VERSION:
            return None
        return cls(epoch, root_id, content[_START.size :])

    def pack(self) -> bytes:
        """4096 bytes: the record, its checksum, random padding."""
        content = _START.pack(_MAGIC, _VERSION, self.epoch, self.root_id) + self.wrap
        whole = content + hashlib.sha256(content).digest()
        return whole + secrets.token_bytes(SLOT_SIZE - len(whole))

    def open(self, root: bytearray) -> bytearray:
        """The KEK; raises Tampered."""
        kek, start = bytearray(32), _START.pack(_MAGIC, _VERSION, self.epoch, self.root_id)
        aad = b"cloister epoch-record v1" + start
        try:
            AESGCM(root).decrypt_into(self.wrap[:12], self.wrap[12:], aad, kek)
        except InvalidTag as error:
            raise Tampered(
                f"epoch.record: the key of epoch {self.epoch} fails authentication"
            ) from error
        return kek


class FileProvider:
    """Keeps the epoch KEK in the keys folder."""

    def __init__(self, folder: Path, effort: Effort = _EFFORT) -> None:
        self._folder = folder
        self._root_path = folder / "root.record"
        self._epoch_path = folder / "epoch.record"
        self._effort = effort
        self._mirror: Path | None = None
        self._writing = threading.Lock()
        self._root: bytearray | None = None
        self._root_id = b""

    def exists(self) -> bool:
        """Whether there is a root to open."""
        return self._root_path.exists()

    def initialise(
        self, passphrase: bytes, recovery: bytes, shares: ShareSet | None = None
    ) -> None:
        """A new root that both secrets open, opened; raises Conflict if one exists."""
        if self._root_path.exists() or self._epoch_path.exists():
            raise Conflict("the keys folder holds keys already")
        root = fresh(32)
        record = RootRecord.new(root, passphrase, recovery, self._effort, shares)
        write_durably(self._epoch_path, secrets.token_bytes(SLOTS * SLOT_SIZE))
        write_durably(self._root_path, record.pack())
        self._root, self._root_id = root, record.root_id

    def abandon(self) -> None:
        """Removes both records."""
        self.lock()
        for path in (self._root_path, self._epoch_path):
            path.unlink(missing_ok=True)

    def unlock(self, credential: Credential) -> None:
        """Opens the root; raises WrongPassphrase, KeyMissing, Tampered, BadInput."""
        record = self._record()
        self._root, self._root_id = self._open_root(record, credential), record.root_id

    def lock(self) -> None:
        """Forgets the root."""
        if self._root is not None:
            wipe(self._root)
        self._root, self._root_id = None, b""

    def change_passphrase(self, credential: Credential, new: bytes) -> None:
        """Lets ``new`` open the root in the old passphrase's place; recovery stays."""
        record = self._record()
        root = self._open_root(record, credential)
        replacement = record.with_passphrase(root, new, self._effort).pack()
        wipe(root)
        self._in_both("root.record", lambda path: replace(path, replacement))

    def change_recovery(
        self, credential: Credential, new: bytes, shares: ShareSet | None
    ) -> None:
        """Lets ``new`` open the root in the old recovery secret's place."""
        record = self._record()
        root = self._open_root(record, credential)
        replacement = record.with_recovery(root, new, shares).pack()
        wipe(root)
        self._in_both("root.record", lambda path: replace(path, replacement))

    def shares(self) -> ShareSet | None:
        """How the recovery secret was split; raises KeyMissing, Tampered."""
        return self._record().shares

    def mirror(self, folder: Path | None) -> list[int]:
        """Keeps both records in ``folder`` as well; see `PassphraseRoot`."""
        with self._writing:
            self._mirror = None
            if folder is None:
                return []
            slots, root = read_whole(self._epoch_path), read_whole(self._root_path)
            with on_copy():
                cleared = _brought(folder / "epoch.record", slots)
                if _content(folder / "root.record") != root:
                    _place(folder / "root.record", root)
            self._mirror = folder
            return cleared

    def create(self, epoch: int) -> bytearray:
        """A fresh KEK in the free slot, durable; raises Conflict when both are used."""
        root, kek = self._opened(), fresh(32)
        slots = self._slots()
        if any(slot is not None and slot.epoch == epoch for slot in slots):
            raise Conflict(f"epoch.record: epoch {epoch} exists already")
        if None not in slots:
            raise Conflict("epoch.record: both slots are in use")
        packed = Slot.sealing(root, self._root_id, epoch, kek).pack()
        at = slots.index(None) * SLOT_SIZE
        self._in_both("epoch.record", lambda path: overwrite(path, packed, at))
        return kek

    def fetch(self, epoch: int) -> bytearray:
        """The KEK of this epoch, read from the record; raises KeyMissing, Tampered."""
        root = self._opened()
        for slot in self._slots():
            if slot is not None and slot.epoch == epoch:
                return slot.open(root)
        raise KeyMissing(
            f"epoch.record: no key of epoch {epoch}",
            hint="the key store and the epoch record are not of the same day",
        )

    def destroy(self, epoch: int) -> DestroyReceipt:
        """Overwrites the slot, and every slot that holds no whole record, with random bytes."""
        self._opened()
        copy = "none" if self._mirror is None else "cleared"
        for index, slot in enumerate(self._slots()):
            # A torn slot may still hold what was to be destroyed.
            if slot is None or slot.epoch == epoch:
                noise, at = secrets.token_bytes(SLOT_SIZE), index * SLOT_SIZE
                overwrite(self._epoch_path, noise, at)
                if copy == "cleared" and not self._cleared_there(noise, at):
                    copy = "pending"
        return self._receipt(epoch, copy)

    def epochs(self) -> list[int]:
        """The epochs whose KEK is kept, lowest first."""
        self._opened()
        return sorted(slot.epoch for slot in self._slots() if slot is not None)

    def health(self) -> ProviderHealth:
        """Capabilities and state."""
        return ProviderHealth("file:", self._root is not None)

    def _in_both(self, name: str, write: Callable[[Path], None]) -> None:
        """Writes a record on the second copy, then here; raises CopyUnavailable before."""
        with self._writing:
            if self._mirror is not None:
                with on_copy():
                    write(self._mirror / name)
            write(self._folder / name)

    def _cleared_there(self, noise: bytes, at: int) -> bool:
        assert self._mirror is not None
        try:
            with on_copy():
                overwrite(self._mirror / "epoch.record", noise, at)
        except CopyUnavailable:
            return False
        return True

    def _receipt(self, epoch: int, copy: str) -> DestroyReceipt:
        level, text = _destroyed(epoch, file_system(self._epoch_path))
        if copy == "pending":
            text += PENDING.format(epoch=epoch)
            level = "L0"
        elif copy == "cleared" and self._mirror is not None:
            try:
                there, words = _destroyed(epoch, file_system(self._mirror / "epoch.record"))
            except OSError:  # it went away after it was overwritten
                there, words = _destroyed(epoch, "unknown")
            text, level = f"{text}; second copy: {words}", min(level, there)
        return DestroyReceipt(epoch, level, text, copy)

    def _open_root(self, record: RootRecord, credential: Credential) -> bytearray:
        if credential.kind == "passphrase":
            return record.open_with_passphrase(credential.secret)
        if credential.kind == "recovery":
            return record.open_with_recovery(credential.secret)
        raise BadInput(
            f"file: keys open with a passphrase or a recovery code, not {credential.kind}"
        )

    def _record(self) -> RootRecord:
        return RootRecord.unpack(read_whole(self._root_path))

    def _opened(self) -> bytearray:
        if self._root is None:
            raise Locked("the keys are locked", hint="unlock them: cloister unlock")
        return self._root

    def _slots(self) -> list[Slot | None]:
        raw = read_whole(self._epoch_path)
        if len(raw) != SLOTS * SLOT_SIZE:
            raise Tampered(
                f"epoch.record: expected {SLOTS * SLOT_SIZE} bytes, found {len(raw)}"
            )
        return [Slot.unpack(raw[at : at + SLOT_SIZE]) for at in range(0, len(raw), SLOT_SIZE)]


def _destroyed(epoch: int, kind: str) -> tuple[str, str]:
    """Level and words for a record that was overwritten on this kind of file system."""
    if overwrites_in_place(kind):
        return "L1", (
            f"epoch {epoch}: record overwritten in place with random bytes and synced, on "
            f"{kind}; on flash storage a remnant is possible until the device trims it"
        )
    return "L0", (
        f"epoch {epoch}: record overwritten on {kind}, which may keep the old blocks until "
        "they are reused or a snapshot is deleted"
    )


def _brought(path: Path, slots: bytes) -> list[int]:
    """Brings a copy of the epoch record to ``slots``; gives the epochs this destroyed there."""
    there = _content(path)
    if there == slots:
        return []
    if len(there) != len(slots):
        _place(path, slots)
        return []
    overwrite(path, slots, 0)  # in place: what it held before must not survive
    return sorted(_epochs(there) - _epochs(slots))


def _epochs(raw: bytes) -> set[int]:
    found = (Slot.unpack(raw[at : at + SLOT_SIZE]) for at in range(0, len(raw), SLOT_SIZE))
    return {slot.epoch for slot in found if slot is not None}


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def _place(path: Path, content: bytes) -> None:
    replace(path, content) if path.exists() else write_durably(path, content)
