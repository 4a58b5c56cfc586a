"""Restored: a lab that came back says so in its ledger, and erases whom it had erased."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cloister.core.errors import KeyMissing
from cloister.core.events import Transaction
from cloister.core.ids import OperationId, SubjectId
from cloister.core.values import KeyRef
from cloister.datasets import records
from cloister.identity import subjects
from cloister.ledger import Head
from cloister.policy import Action
from cloister.workflows.lab import Lab
from cloister.workflows.patients.erase import finish

_REASON = "erased after the backup was made that this lab was restored from"


def record_restored(
    lab: Lab, head: Head, save: int, before: Head | None, gone: Sequence[SubjectId]
) -> None:
    """Puts on record that the lab went on from ``head``, and what its user had seen before.

    In the same transaction begins the erasure of those whose keys are gone: no command that
    follows shows them as if nothing had been.
    """
    act = lab.act(Action.ADMINISTER)
    body = {
        "erased": len(gone),
        "old_root": None if before is None else before.root.hex(),
        "old_size": None if before is None else before.size,
        "root": head.root.hex(),
        "save": save,
        "size": head.size,
    }
    events = [act.event("lab.restored", body)]
    for names in lab.read(lambda tx: _patients(tx, gone)):
        operation = OperationId.new(lab.randomness)
        intended = {"operation": operation, "reason": _REASON, "subjects": names}
        events.append(act.event("erase.intended", intended))
    act.record(events)


def _patients(tx: Transaction, gone: Sequence[SubjectId]) -> list[list[SubjectId]]:
    """The names of each patient together: an erasure is of one."""
    left = list(gone)
    found: list[list[SubjectId]] = []
    while left:
        linked = subjects.closure(tx, left[0])
        found.append([name for name in left if name in linked])
        left = [name for name in left if name not in linked]
    return found


def complete_erasures(lab: Lab) -> None:
    """Brings every erasure that began to its end."""
    for pending in lab.read(subjects.pending_erasures):
        finish(lab.act(Action.ERASE), pending)


def without_keys(lab: Lab) -> tuple[list[SubjectId], int]:
    """Subjects the tables show as present whose keys were destroyed; and how many are unknown.

    What the key service says decides: an erasure holds in every backup, whatever it says.
    """
    found = lab.read(_one_key_each)
    gone: list[SubjectId] = []
    missing = 0
    for subject, key in _opened(lab, found):
        if key is None:
            missing += 1
        elif not key:
            gone.append(subject)
    return gone, missing


def _one_key_each(tx: Transaction) -> list[tuple[SubjectId, KeyRef]]:
    done = subjects.erased(tx)
    names = [one.subject for one in records.holdings(tx) if one.subject not in done]
    first: dict[str, KeyRef] = {}
    for record in records.of_subjects(tx, names):
        first.setdefault(record.subject, record.key)
    return [(SubjectId(name), ref) for name, ref in first.items()]


def _opened(
    lab: Lab, found: Sequence[tuple[SubjectId, KeyRef]]
) -> Iterator[tuple[SubjectId, bytes | None]]:
    """Each with its key, empty bytes when it was destroyed, None when nobody knows it."""
    try:
        keys = lab.keys.open([ref for _, ref in found])
    except KeyMissing:
        if len(found) == 1:
            yield found[0][0], None
            return
        half = len(found) // 2
        yield from _opened(lab, found[:half])
        yield from _opened(lab, found[half:])
        return
    for (subject, _), key in zip(found, keys, strict=True):
        yield subject, b"" if key is None else key
