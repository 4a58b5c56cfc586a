"""Heads a client has verified, remembered where the lab's owner cannot rewrite them."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from cloister.core.errors import (
    LedgerForked,
    LedgerRolledBack,
    NotAllowed,
    NotFound,
    NotVerified,
)
from cloister.core.events import Transaction
from cloister.core.files import private_folder, write_durably
from cloister.db import Database
from cloister.ledger.checkpoint import Head
from cloister.ledger.proofs import verify_consistency
from cloister.ledger.reader import LedgerReader


class HeadStatus(StrEnum):
    """How the log stands to what this client saw before."""

    FIRST_CONTACT = "first contact"
    """Nothing was remembered: UNVERIFIED, a rewritten log would look the same."""
    EXTENDS = "extends"
    """It begins with everything this client ever verified."""


class HeadMemory:
    """The last verified head of each log, one file per origin, 0600.

    A file is replaced as a whole or not at all, and survives a power cut.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def last(self, origin: str) -> str | None:
        """The note remembered for this log."""
        try:
            return self._file(origin).read_text("utf-8")
        except FileNotFoundError:
            return None
        except UnicodeDecodeError as error:
            raise NotVerified("a remembered ledger head is damaged") from error
        except PermissionError as error:
            raise NotAllowed(
                "the remembered ledger heads may not be read",
                hint="the state folder belongs to another user: make it yours again",
            ) from error

    def remember(self, origin: str, note: str) -> None:
        """Replaces what was remembered, durable on return."""
        private_folder(self._folder)
        write_durably(self._file(origin), note.encode())

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One process at a time reads, compares and replaces: memory never goes back."""
        path = private_folder(self._folder) / "lock"
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _file(self, origin: str) -> Path:
        name = hashlib.sha256(origin.encode()).hexdigest()[:32]
        return self._folder / f"{name}.head"


@dataclass(frozen=True, slots=True)
class Restoration:
    """An entry that says: what came after ``size`` entries was lost, and the lab went on."""

    index: int
    size: int
    time: str
    actor: str
    old_size: int | None
    """How far the log had been when whoever restored it saw it last."""
    old_root: str | None


def check_head(reader: LedgerReader, database: Database, memory: HeadMemory) -> HeadStatus:
    """Whether the log extends what was remembered; if it does, its head is remembered.

    Raises NotVerified for a head the trusted key did not sign, LedgerRolledBack for a log
    shorter than it was, LedgerForked for one that is not an extension. Memory is then left
    as it is, so the next client is warned as well.
    """
    # The snapshot begins inside the lock: what was remembered before it is in it.
    with memory.locked(), database.read() as transaction:
        note = memory.last(reader.origin)
        head = reader.head(transaction)
        if note is not None:
            _check_extension(reader, transaction, reader.open(note), head)
        if head.note not in {"", note}:
            memory.remember(reader.origin, head.note)
    return HeadStatus.FIRST_CONTACT if note is None else HeadStatus.EXTENDS


def accept_restored(
    reader: LedgerReader, database: Database, memory: HeadMemory
) -> tuple[Head, Head, Restoration]:
    """Forgets what was lost with a disaster: the remembered head, the new one, and the entry.

    Only where the log itself says, signed, that it was restored to less than this client
    saw, and never without being asked. Raises NotFound where there is nothing to accept.
    """
    with memory.locked(), database.read() as transaction:
        note = memory.last(reader.origin)
        head = reader.head(transaction)
        before = reader.open(note) if note else head
        restored = _restoration(reader, transaction, before.size)
        if restored is None or _extends(reader, transaction, before, head):
            raise NotFound("nothing to accept: the ledger holds all that this user ever saw")
        memory.remember(reader.origin, head.note)
    return before, head, restored


def _restoration(
    reader: LedgerReader, transaction: Transaction, before: int
) -> Restoration | None:
    """The latest entry that says that entries which a client saw are gone."""
    rows = transaction.query(
        "SELECT position FROM ledger_leaf WHERE position < ? AND instr(leaf, ?) > 0"
        " ORDER BY position DESC",
        (before, b'"type":"lab.restored"'),
    )
    for (position,) in rows:
        event = reader.event(transaction, position).event
        if event.type == "lab.restored":
            old_size, old_root = event.body["old_size"], event.body["old_root"]
            size = event.body["size"]
            return Restoration(position, size, event.time, event.actor, old_size, old_root)
    return None


def _extends(reader: LedgerReader, transaction: Transaction, before: Head, head: Head) -> bool:
    try:
        _compare(reader, transaction, before, head)
    except (LedgerRolledBack, LedgerForked):
        return False
    return True


def _check_extension(
    reader: LedgerReader, transaction: Transaction, before: Head, head: Head
) -> None:
    try:
        _compare(reader, transaction, before, head)
    except (LedgerRolledBack, LedgerForked) as error:
        restored = _restoration(reader, transaction, before.size)
        if restored is None:
            raise
        raise LedgerRolledBack(
            f"the lab was restored from a backup on {restored.time[:16]}Z by {restored.actor}:"
            f" it went on from {restored.size} entries, and this user had seen {before.size}",
            hint="if you know of that disaster: cloister audit --accept-restored",
        ) from error


def _compare(reader: LedgerReader, transaction: Transaction, before: Head, head: Head) -> None:
    if before.size > head.size:
        raise LedgerRolledBack(
            f"the ledger is older than when it was last seen: {before.size} entries then, "
            f"{head.size} now",
            hint="somebody restored an old copy, or removed entries: do not write to this lab",
        )
    proof = reader.consistency(transaction, before.size, head.size)
    try:
        verify_consistency(before.size, before.root, head.size, head.root, proof)
    except NotVerified as error:
        raise LedgerForked(
            f"the ledger of {head.size} entries is not an extension of the {before.size} "
            "that were there when it was last seen",
            hint="its history was rewritten: do not write to this lab",
        ) from error
