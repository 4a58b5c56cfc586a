"""Readback: what today's keys open in a copy of the lab, or in an old copy of the key store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cloister.core.errors import CloisterError
from cloister.datasets import records
from cloister.datasets.records import Record
from cloister.db import Database
from cloister.identity import subjects
from cloister.keys.seal import open_sealed
from cloister.keys.values import ProbeResult
from cloister.policy import Action
from cloister.store import Store
from cloister.workflows.lab import Lab
from cloister.workflows.patients.whose import Patient
from cloister.workflows.unseal import open_keys


@dataclass(frozen=True, slots=True)
class Copy:
    """An older copy of the lab's folder, opened for reading."""

    database: Database
    store: Store


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of some records of a copy."""

    records: int
    readable: int
    """Decrypted and authentic."""
    erased: int
    """No key for them exists any more."""
    damaged: int


@dataclass(frozen=True, slots=True)
class Readback:
    """What today's keys open in the copy."""

    sample: Tried
    """Records of subjects that are not erased."""
    subject: Tried | None
    """All records of the subject asked about."""


def readback(lab: Lab, copy: Copy, sample: int, patient: Patient | None) -> Readback:
    """Reads up to ``sample`` records spread over the copy, and all of ``patient``'s.

    The reading is on the live lab's record; nothing is written to the copy.
    """
    act = lab.act(Action.READ)
    gone = lab.read(subjects.erased)
    with copy.database.read() as tx:
        others = [held.subject for held in records.holdings(tx) if held.subject not in gone]
        everyone = [record for record in records.of_subjects(tx, others) if record.object]
        mine = records.of_subjects(tx, patient.names) if patient else None
    step = max(1, len(everyone) // sample)
    operation = act.begin_read("readback")
    tried = _try(lab, copy, everyone[::step][:sample])
    asked = _try(lab, copy, mine) if mine is not None else None
    opened = tried.readable + (asked.readable if asked else 0)
    act.record([act.end_read(operation, opened, 0)])
    return Readback(tried, asked)


def probe_keystore(lab: Lab, file: Path) -> ProbeResult:
    """How many keys in an old key store today's epoch key opens; none, after an erasure."""
    lab.act(Action.ADMINISTER)
    return lab.keys.probe_keystore(str(file.absolute()))


def _try(lab: Lab, copy: Copy, chosen: Sequence[Record]) -> Tried:
    keys = open_keys(lab, [record.key for record in chosen])
    readable = damaged = 0
    for record in chosen:
        key = keys.get(record.seal)
        if key is None or record.object is None:
            continue
        try:
            open_sealed(copy.store.read(record.object), key, record.seal)
            readable += 1
        except CloisterError:
            damaged += 1
    return Tried(len(chosen), readable, len(chosen) - readable - damaged, damaged)
