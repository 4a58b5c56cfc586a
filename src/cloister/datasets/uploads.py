"""Uploads: files on their way in through a browser, from the first byte to a version."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from cloister.core.encoding import to_bytes
from cloister.core.events import Recorded, Row, Statement, Transaction
from cloister.core.ids import CollectionId, PersonId, UploadId
from cloister.core.values import KeyRef

OPEN, ADDING, ADDED, WITHDRAWN, EXPIRED = "open", "adding", "added", "withdrawn", "expired"

SCHEMA = (
    "CREATE TABLE upload (upload TEXT PRIMARY KEY, collection TEXT NOT NULL,"
    " actor TEXT NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL, begun INTEGER NOT NULL,"
    " time TEXT NOT NULL, files INTEGER NOT NULL, bytes INTEGER NOT NULL, seal BLOB,"
    " wrap BLOB, request BLOB, problem TEXT, ended INTEGER, number INTEGER)",
)
PURPOSE = "upload"
"""The purpose under which what was asked for is sealed."""


class Upload(NamedTuple):
    """One upload."""

    upload: UploadId
    collection: CollectionId
    """Owns every byte of it while it waits."""
    actor: PersonId
    name: str
    """Of the dataset that it is for."""
    state: str
    begun: int
    time: str
    files: int
    """0 until all have come."""
    size_bytes: int
    seal: bytes | None
    wrap: bytes | None
    request: bytes | None
    """Sealed: how to tell whose each file is."""
    problem: str | None
    """The code of the error with which an attempt to add it ended."""
    ended: int | None
    number: int | None
    """The version that shows it."""

    @property
    def key(self) -> KeyRef:
        """What opens the request, once there is one."""
        assert self.seal is not None
        assert self.wrap is not None
        return KeyRef(self.collection, self.seal, self.wrap)


def upload_begun(recorded: Recorded) -> Iterator[Statement]:
    """Somebody is about to send files."""
    body, event = recorded.event.body, recorded.event
    yield Statement(
        "INSERT INTO upload VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, NULL, NULL, NULL, NULL, NULL,"
        " NULL)",
        (
            body["upload"],
            body["collection"],
            event.actor,
            body["name"],
            OPEN,
            recorded.index,
            event.time,
        ),
    )


def upload_completed(recorded: Recorded) -> Iterator[Statement]:
    """All of it is here; from now on it is being added, whatever happens to the process."""
    body = recorded.event.body
    yield Statement(
        "UPDATE upload SET state = ?, files = ?, bytes = ?, seal = ?, wrap = ?, request = ?,"
        " problem = NULL WHERE upload = ?",
        (
            ADDING,
            body["files"],
            body["bytes"],
            to_bytes(body["seal"]),
            to_bytes(body["wrap"]),
            to_bytes(body["request"]),
            body["upload"],
        ),
    )


def upload_reopened(recorded: Recorded) -> Iterator[Statement]:
    """It could not be added as asked: whoever sent it may ask otherwise."""
    body = recorded.event.body
    yield Statement(
        "UPDATE upload SET state = ?, problem = ? WHERE upload = ?",
        (OPEN, body["code"], body["upload"]),
    )


def upload_ended(recorded: Recorded) -> Iterator[Statement]:
    """It is a version now, or gone."""
    body = recorded.event.body
    yield Statement(
        "UPDATE upload SET state = ?, number = ?, ended = ? WHERE upload = ?",
        (body["how"], body["number"], recorded.index, body["upload"]),
    )


def find(tx: Transaction, upload: str) -> Upload | None:
    """The upload of that id."""
    rows = tx.query("SELECT * FROM upload WHERE upload = ?", (upload,))
    return _upload(rows[0]) if rows else None


def everything(tx: Transaction, actor: str | None = None) -> list[Upload]:
    """All uploads, or one person's, the newest first."""
    rows = tx.query(
        "SELECT * FROM upload WHERE (? IS NULL OR actor = ?) ORDER BY begun DESC",
        (actor, actor),
    )
    return [_upload(row) for row in rows]


def under_way(tx: Transaction) -> list[Upload]:
    """Those whose end is not on record, oldest first."""
    rows = tx.query("SELECT * FROM upload WHERE ended IS NULL ORDER BY begun")
    return [_upload(row) for row in rows]


def spent(tx: Transaction) -> list[CollectionId]:
    """Keys of uploads that ended, but for those that an erasure has destroyed since.

    Nothing that they open is wanted any more; whoever destroys keys destroys these.
    """
    rows = tx.query(
        "SELECT collection FROM upload WHERE ended > COALESCE("
        "(SELECT MAX(intended) FROM erasure WHERE completed IS NOT NULL), -1) ORDER BY begun"
    )
    return [CollectionId(collection) for (collection,) in rows]


def _upload(row: Row) -> Upload:
    upload, collection, actor = row[:3]
    return Upload._make((UploadId(upload), CollectionId(collection), PersonId(actor), *row[3:]))
