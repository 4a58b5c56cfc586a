"""Checks of versions: what was found, by code and count; the list and report sealed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cloister.core.canonical import canonical
from cloister.core.encoding import to_bytes, to_text
from cloister.core.events import Recorded, Row, Statement, Transaction
from cloister.core.ids import CollectionId
from cloister.core.values import KeyRef, ObjectRef

SCHEMA = (
    "CREATE TABLE checked (idx INTEGER PRIMARY KEY, dataset TEXT NOT NULL,"
    " number INTEGER NOT NULL, collection TEXT NOT NULL, findings TEXT NOT NULL,"
    " list TEXT NOT NULL, list_size INTEGER NOT NULL, list_seal BLOB NOT NULL,"
    " list_wrap BLOB NOT NULL, report TEXT NOT NULL, report_size INTEGER NOT NULL,"
    " report_seal BLOB NOT NULL, report_wrap BLOB NOT NULL, time TEXT NOT NULL)",
    "CREATE INDEX checked_version ON checked (dataset, number)",
    "CREATE TABLE checked_subject (collection TEXT NOT NULL, subject TEXT NOT NULL,"
    " PRIMARY KEY (collection, subject))",
    "CREATE INDEX checked_subject_subject ON checked_subject (subject)",
)


@dataclass(frozen=True, slots=True)
class Found:
    """One kind of finding: what anybody may know of it."""

    code: str
    severity: str
    count: int


@dataclass(frozen=True, slots=True)
class Check:
    """One check of one version."""

    place: int
    dataset: str
    number: int
    collection: CollectionId
    """Owns list and report: its key is destroyed with the first subject they name."""
    findings: tuple[Found, ...]
    listed: ObjectRef
    """Sealed: docs/formats/check-list.md."""
    report: ObjectRef
    """Sealed: a page of HTML."""
    time: str


def body(
    version: tuple[str, int],
    findings: Sequence[Found],
    sealed: Mapping[str, ObjectRef],
    subjects: Sequence[str],
) -> dict[str, Any]:
    """The event body; ``sealed`` holds ``list`` and ``report``, under one collection's key."""
    return {
        "collection": sealed["list"].key.owner,
        "dataset": version[0],
        "findings": [
            {"code": one.code, "count": one.count, "severity": one.severity} for one in findings
        ],
        "list": _object(sealed["list"]),
        "number": version[1],
        "report": _object(sealed["report"]),
        "subjects": sorted(subjects),
    }


def version_checked(recorded: Recorded) -> Iterator[Statement]:
    """A version was checked; earlier checks of it stay on record."""
    found = recorded.event.body
    yield Statement(
        "INSERT INTO checked VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            recorded.index,
            found["dataset"],
            found["number"],
            found["collection"],
            canonical(found["findings"]).decode(),
            *_columns(found["list"]),
            *_columns(found["report"]),
            recorded.event.time,
        ),
    )
    for subject in found["subjects"]:
        yield Statement(
            "INSERT INTO checked_subject VALUES (?, ?)", (found["collection"], subject)
        )


def of_version(tx: Transaction, dataset: str, number: int) -> list[Check]:
    """Every check of a version, oldest first."""
    rows = tx.iterate(
        "SELECT * FROM checked WHERE dataset = ? AND number = ? ORDER BY idx", (dataset, number)
    )
    return [_check(row) for row in rows]


def naming(tx: Transaction, subjects: Sequence[str]) -> list[CollectionId]:
    """The collections whose list or report names one of these subjects, each once."""
    found: dict[CollectionId, None] = {}
    for subject in subjects:
        rows = tx.query(
            "SELECT collection FROM checked_subject WHERE subject = ? ORDER BY collection",
            (subject,),
        )
        found.update(dict.fromkeys(CollectionId(row[0]) for row in rows))
    return list(found)


def _object(ref: ObjectRef) -> dict[str, Any]:
    return {
        "object": ref.name,
        "seal": to_text(ref.key.seal_id),
        "size": ref.size_bytes,
        "wrap": to_text(ref.key.wrap),
    }


def _columns(found: Mapping[str, Any]) -> tuple[Any, ...]:
    return found["object"], found["size"], to_bytes(found["seal"]), to_bytes(found["wrap"])


def _check(row: Row) -> Check:
    place, dataset, number, collection, findings = row[:5]
    owner = CollectionId(collection)
    listed, report = (
        ObjectRef(row[at], row[at + 1], KeyRef(owner, row[at + 2], row[at + 3]))
        for at in (5, 9)
    )
    found = tuple(Found(**one) for one in json.loads(findings))
    return Check(place, dataset, number, owner, found, listed, report, row[13])
