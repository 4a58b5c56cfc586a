"""Assign: what was set aside because nobody knew whose it is gets its patient."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from cloister.biobank import Kind, Quarantine
from cloister.core.encoding import to_text
from cloister.core.errors import BadInput, Erased, NotFound
from cloister.core.events import Transaction
from cloister.core.ids import BatchId, SubjectId
from cloister.core.subjects import Identity
from cloister.datasets import records, versions
from cloister.datasets.records import Record
from cloister.datasets.versions import DatasetVersion
from cloister.identity import subjects
from cloister.policy import Action
from cloister.workflows import _seen
from cloister.workflows.data._versioning import Change, next_version
from cloister.workflows.lab import Act, Lab
from cloister.workflows.unseal import unsealed

_MOVABLE = frozenset({Quarantine.NO_SUBJECT.value, Quarantine.BAD_SUBJECT.value})
_WHOLE = frozenset({Kind.FILE.value, Kind.DICOM.value})


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which quarantined records are meant."""

    records: tuple[str, ...] = ()
    """Names, or unique beginnings of names."""
    where_path: str | None = None
    """A regular expression on their paths."""


@dataclass(frozen=True, slots=True)
class Assigned:
    """What was moved, to whom."""

    version: DatasetVersion
    subject: SubjectId
    records: int


def assign(lab: Lab, dataset: str, chosen: Chosen, subject: str, issuer: str) -> Assigned:
    """Gives quarantined records their patient; the next version shows them.

    Bytes and names stay: the object keys are wrapped under the patient's key as well. It
    cannot be taken back, since the patient's key then opens them. ``subject`` is a pseudonym
    or an id, which may be new. Raises NotFound, BadInput for records that cannot be moved.
    """
    act = lab.act(Action.ADD)
    name = lab.read(lambda tx: _seen.dataset(lab, tx, dataset.partition("@")[0]))
    with lab.alone(name):
        moving = _chosen(lab, name, chosen)
        owner = _subject(lab, subject, issuer)
        _record(act, name, moving, owner)
    version = lab.read(lambda tx: versions.resolve(tx, name))
    return Assigned(version, owner, len(moving))


def _chosen(lab: Lab, dataset: str, chosen: Chosen) -> list[Record]:
    aside = lab.read(lambda tx: records.quarantined(tx, dataset))
    if chosen.where_path is None:
        found = [_named(aside, name) for name in chosen.records]
    else:
        pattern = _pattern(chosen.where_path)
        movable = [record for record in aside if _can_move(record)]
        found = [one.record for one in unsealed(lab, movable) if pattern.search(one.meta.path)]
    if not found:
        raise NotFound(
            f"no quarantined record of {dataset} is meant by this",
            hint=f"see `cloister ls {dataset} --quarantine`",
        )
    for record in found:
        if not _can_move(record):
            raise BadInput(
                f"record {record.record} was set aside as {record.quarantine}, not for want of"
                " a patient",
                hint="mend the file and add the folder again",
            )
    return list({record.record: record for record in found}.values())


def _can_move(record: Record) -> bool:
    known = record.quarantine in _MOVABLE and record.kind in _WHOLE
    return known and record.object is not None


def _named(aside: Sequence[Record], name: str) -> Record:
    found = [record for record in aside if record.record.startswith(name)]
    if len(found) != 1:
        what = "no quarantined record" if not found else "more than one quarantined record"
        raise NotFound(f"{what} begins with {name}", hint="see `cloister ls --quarantine`")
    return found[0]


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise BadInput(f"not a regular expression: {error.msg}") from error


def _subject(lab: Lab, text: str, issuer: str) -> SubjectId:
    """Whose they are: a patient who is known, or an id that is new."""
    if not text.startswith(f"{SubjectId.prefix}_"):
        identity = Identity.of(issuer, text)
        found = lab.keys.subjects([(identity.issuer, identity.local_id)], create=True)[0]
        assert found is not None
        return found
    name = SubjectId.parse(text)
    if name in lab.read(subjects.erased):
        raise Erased("this subject was erased: nothing can be given to them any more")
    if lab.keys.identities([name])[0] is None:
        raise BadInput(
            "this pseudonym stands for nobody known: it is a quarantined record's own",
            hint="give the patient's id, with --issuer where it is not local",
        )
    return name


def _record(act: Act, dataset: str, moving: Sequence[Record], owner: SubjectId) -> None:
    """Wraps, then events and version in one transaction."""
    lab = act.lab
    batch = BatchId.new(lab.randomness)
    moved = lab.keys.rewrap([record.key for record in moving], owner)
    bodies = [
        {
            "batch": batch,
            "dataset": dataset,
            "provisional": record.subject,
            "record": record.record,
            "subject": owner,
            "wrap": to_text(key.wrap),
        }
        for record, key in zip(moving, moved, strict=True)
    ]

    def write(tx: Transaction) -> None:
        lab.ledger.append(tx, act.events("record.assigned", bodies))
        body = next_version(tx, Change(dataset, [batch]))
        lab.ledger.append(tx, [act.event("version.committed", body)])

    lab.database.write(write)
