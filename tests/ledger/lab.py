"""A small lab with a real log key: three kinds of events, two projected tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from cloister.core.errors import NotVerified
from cloister.core.events import Event, Recorded, Statement, Transaction, no_rows
from cloister.core.signing import PublicKey
from cloister.db import Database, Migration, open_database
from cloister.ledger import MIGRATIONS as LEDGER_MIGRATIONS
from cloister.ledger import Head, Ledger, LedgerReader
from cloister.ledger.audit import AuditReport, audit
from tests.databases import ON_SERVER, database_uri, run_sql

ORIGIN = "lab_test/log"
SEED = bytes(range(32))


class LogKey:
    """A `Signer` in this process."""

    def __init__(self, seed: bytes = SEED, name: str = ORIGIN) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public_key = PublicKey(name, self._key.public_key().public_bytes_raw())
        self.signatures = 0

    def sign(self, message: bytes) -> bytes:
        self.signatures += 1
        return self._key.sign(message)


def verify(key: PublicKey, message: bytes, signature: bytes) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(key.raw).verify(signature, message)
    except InvalidSignature as error:
        raise NotVerified("the signature does not verify") from error


MIGRATIONS = (
    *LEDGER_MIGRATIONS,
    Migration(
        "notes",
        1,
        (
            "CREATE TABLE note (name TEXT PRIMARY KEY, words TEXT NOT NULL, times INTEGER)",
            "CREATE INDEX note_words ON note (words)",
            "CREATE TABLE bed (ward TEXT, number INTEGER, sealed BLOB, "
            "PRIMARY KEY (ward, number))",
        ),
    ),
)
TABLES = ("note", "bed")


def note_written(recorded: Recorded, /) -> Iterator[Statement]:
    body = recorded.event.body
    yield Statement(
        "INSERT INTO note (name, words, times) VALUES (:name, :words, 1) ON CONFLICT (name) "
        "DO UPDATE SET words = excluded.words, times = note.times + 1",
        {"name": str(body["name"]), "words": str(body["words"])},
    )


def note_removed(recorded: Recorded, /) -> Iterator[Statement]:
    yield Statement("DELETE FROM note WHERE name = ?", (str(recorded.event.body["name"]),))


def bed_made(recorded: Recorded, /) -> Iterator[Statement]:
    body = recorded.event.body
    sealed = bytes.fromhex(str(body["sealed"]))
    place = (str(body["ward"]), int(str(body["number"])))
    yield Statement("INSERT INTO bed (ward, number, sealed) VALUES (?, ?, NULL)", place)
    yield Statement("UPDATE bed SET sealed = ? WHERE ward = ? AND number = ?", (sealed, *place))


PROJECTIONS = {
    "note.written": note_written,
    "note.removed": note_removed,
    "bed.made": bed_made,
    "read.begun": no_rows,
}


def event(kind: str, time: str = "2026-01-02T03:04:05.000000Z", **body: object) -> Event:
    return Event(kind, time, "per_aaaaaaaaaaaaaaaa", "an owner may do this", body)  # type: ignore[arg-type]


def note(name: object, words: str = "as agreed") -> Event:
    return event("note.written", name=str(name), words=words)


class Lab:
    """One database with its ledger and its reader."""

    def __init__(self, path: Path | None, key: LogKey | None = None) -> None:
        self.path = path
        self.key = key or LogKey()
        self.ledger = Ledger(ORIGIN, self.key, PROJECTIONS, verify)
        self.reader = LedgerReader(self.key.public_key, verify)
        self.uri = database_uri(path)
        self.database: Database = open_database(
            self.uri,
            MIGRATIONS,
            before_commit=self.ledger.seal,
        )

    def tamper(self, sql: str, *values: object) -> None:
        """What somebody does who has the database open and needs no ledger."""
        if ON_SERVER:
            run_sql(
                self.uri,
                sql.replace("zeroblob(32)", "decode(repeat('00', 32), 'hex')"),
                *values,
            )
        else:
            self.database._writer.execute(sql, values)  # type: ignore[attr-defined]

    def append(self, *events: Event) -> list[Recorded]:
        return self.database.write(lambda tx: self.ledger.append(tx, events))

    def read(self, what: Callable[[Transaction], object]) -> object:
        with self.database.read() as tx:
            return what(tx)

    def head(self) -> Head:
        with self.database.read() as tx:
            return self.reader.head(tx)

    def names(self) -> list[str]:
        with self.database.read() as tx:
            return [str(item.event.body["name"]) for item in self.reader.events(tx)]

    def audit(self, tables: tuple[str, ...] = TABLES) -> AuditReport:
        return audit(self.database, self.reader, PROJECTIONS, tables, MIGRATIONS)

    def close(self) -> None:
        self.database.close()
