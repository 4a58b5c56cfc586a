"""Uploads: files on their way in by parts, which have no name until they are whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from cloister.core.errors import NotFound
from cloister.core.events import Recorded, SqlValue, Statement, Transaction

SCHEMA = (
    "CREATE TABLE track_upload (upload TEXT PRIMARY KEY, holder TEXT NOT NULL,"
    " path TEXT NOT NULL, experiment INTEGER NOT NULL, project TEXT NOT NULL, fenced TEXT,"
    " begun_ms INTEGER NOT NULL)",
    "CREATE INDEX track_upload_begun ON track_upload (begun_ms)",
)
COLUMNS = "upload, holder, path, experiment, project, fenced, begun_ms"
MOST_PARTS = 10_000


class Upload(NamedTuple):
    """One file that comes in parts."""

    upload: str
    """``up-`` and 32 hexadecimal digits."""
    holder: str
    path: str
    experiment: int
    project: str
    fenced: str | None
    begun_ms: int

    def body(self) -> dict[str, Any]:
        """The event body."""
        return {
            "experiment": self.experiment,
            "holder": self.holder,
            "path": self.path,
            "project": self.project,
            "run": self.fenced,
            "time_ms": self.begun_ms,
            "upload": self.upload,
        }


def parts_of(upload: str) -> str:
    """What its parts are kept under; no address that a client can say leads there."""
    return f"upload:{upload}"


def part_name(number: int) -> str:
    """The name of a part, so that names are ordered as parts are."""
    return f"{number:05d}"


def begun(recorded: Recorded) -> Iterator[Statement]:
    """A file begins to come in parts."""
    body = recorded.event.body
    yield Statement(
        f"INSERT INTO track_upload ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        (
            *(body["upload"], body["holder"], body["path"], body["experiment"]),
            *(body["project"], body["run"], body["time_ms"]),
        ),
    )


def ended(recorded: Recorded) -> Iterator[Statement]:
    """It is whole, or given up."""
    upload = recorded.event.body["upload"]
    yield Statement("DELETE FROM track_upload WHERE upload = ?", (upload,))


def missing() -> NotFound:
    """The error that says that there is no such upload."""
    return NotFound("No such upload: it was completed, aborted or given up")


def find(tx: Transaction, upload: str) -> Upload:
    """The upload of that id; raises NotFound."""
    found = _select(tx, "upload = ?", (upload,))
    if not found:
        raise missing()
    return found[0]


def older(tx: Transaction, than_ms: int) -> list[Upload]:
    """Those that began before then."""
    return _select(tx, "begun_ms < ?", (than_ms,))


def of_fenced(tx: Transaction, fenced: str) -> list[Upload]:
    """What the job of a run of the fence left half sent."""
    return _select(tx, "fenced = ?", (fenced,))


def _select(tx: Transaction, where: str, bound: Sequence[SqlValue]) -> list[Upload]:
    rows = tx.query(
        f"SELECT {COLUMNS} FROM track_upload WHERE {where} ORDER BY begun_ms, upload",  # noqa: S608
        bound,
    )
    return [Upload._make(row) for row in rows]
