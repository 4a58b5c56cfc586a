"""Who read a version or a record of it, when, and what for: from the record itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from cloister.core.events import Transaction
from cloister.core.ids import PersonId
from cloister.datasets import reads
from cloister.datasets.reads import Read
from cloister.identity import people
from cloister.policy import Action
from cloister.runs import history
from cloister.workflows import _seen
from cloister.workflows.lab import Lab

_LATEST = 2**62


@dataclass(frozen=True, slots=True)
class AccessLine:
    """One reading."""

    place: int
    """Where the ledger says that it began."""
    time: str
    who: str
    purpose: str
    why: str
    """The reason for which policy allowed it."""
    record: str | None
    run: str | None
    records: int | None
    """None where the reader never came back to say: all of it counts as read."""
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class AccessPage:
    """Some readings, the newest first."""

    items: tuple[AccessLine, ...]
    next: int | None
    total: int
    runs: tuple[str, ...]
    """Runs that were given the version."""


def access(lab: Lab, reference: str, *, before: int = _LATEST, most: int = 50) -> AccessPage:
    """The readings of a version and of what it shows; raises NotFound, NotAllowed."""
    lab.act(Action.AUDIT)

    def query(tx: Transaction) -> AccessPage:
        version = _seen.version(lab, tx, reference)
        name, number = version.dataset, version.number
        found = reads.newest(tx, name, number, before, most + 1)
        names = {one.person: one.name for one in people.everyone(tx, removed=True)}
        sees = _seen.seeing(lab, tx, _seen.RUN)
        given = [run.run for run in history.given(tx, name, number) if sees(run.run)]
        return AccessPage(
            items=tuple(_line(lab, tx, one, names) for one in found[:most]),
            next=found[most - 1].begun if len(found) > most else None,
            total=reads.count(tx, name, number),
            runs=tuple(given),
        )

    return lab.read(query)


def _line(lab: Lab, tx: Transaction, one: Read, names: Mapping[PersonId, str]) -> AccessLine:
    event = json.loads(lab.reader.leaf(tx, one.begun))
    return AccessLine(
        place=one.begun,
        time=one.time,
        who=names.get(PersonId(one.actor), one.actor),
        purpose=one.purpose,
        why=str(event["reason"]),
        record=one.record,
        run=one.run,
        records=one.records,
        size_bytes=one.size_bytes,
    )
