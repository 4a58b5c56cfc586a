"""Erasure as the console asks for it: what it would touch, the request, what became of it."""

from __future__ import annotations

from dataclasses import dataclass

from cloister.core.events import Transaction
from cloister.core.ids import SubjectId
from cloister.identity import people, subjects
from cloister.policy import Action
from cloister.proof.certificate import Inventory, Remainder
from cloister.workflows.lab import Lab
from cloister.workflows.patients.erase import Erasure, erase, inventory, plan, remainders
from cloister.workflows.patients.whose import patient
from cloister.workflows.people.approvals import rule


@dataclass(frozen=True, slots=True)
class Plan:
    """What an erasure would touch; nothing is changed."""

    subject: SubjectId
    names: tuple[SubjectId, ...]
    """All pseudonyms of the patient, and keys that records of theirs were under before."""
    erased: int | None
    inventory: Inventory
    remains: tuple[Remainder, ...]
    models: tuple[str, ...]
    """Models that will be flagged, by digest."""
    answered: int
    """Predictions that those models gave, about anyone."""
    needs_second: bool
    """Whether a second person has to agree first."""


@dataclass(frozen=True, slots=True)
class ErasureLine:
    """One erasure, decided on or done."""

    operation: str
    subjects: tuple[str, ...]
    by: str
    reason: str
    state: str
    """``intended`` or ``completed``."""
    intended: int
    completed: int | None


def find_subject(lab: Lab, text: str, issuer: str = "local") -> SubjectId:
    """The pseudonym of a patient, for who may trace; raises NotFound, which repeats nothing."""
    lab.act(Action.TRACE)
    return patient(lab, text, issuer).asked


def planned(lab: Lab, text: str, issuer: str = "local") -> Plan:
    """What erasing the patient called ``text`` would touch; raises NotFound."""
    lab.act(Action.TRACE)
    touched = plan(lab, patient(lab, text, issuer))
    return Plan(
        subject=touched.patient.asked,
        names=touched.patient.names,
        erased=touched.erased,
        inventory=inventory(touched),
        remains=tuple(remainders(touched)),
        models=tuple(
            dict.fromkeys(model.sha256 for run in touched.runs for model in run.models)
        ),
        answered=sum(len(run.predictions) for run in touched.runs),
        needs_second=Action.ERASE in lab.read(lambda tx: rule(lab, tx)).actions,
    )


def requested(lab: Lab, text: str, reason: str, issuer: str = "local") -> Erasure:
    """Erases the patient called ``text``; raises what `erase` raises, and NotFound."""
    lab.act(Action.ERASE)
    return erase(lab, patient(lab, text, issuer), reason)


def erasures(lab: Lab) -> tuple[ErasureLine, ...]:
    """Every erasure on record, the newest first, for who may look into the record."""
    lab.act(Action.AUDIT)

    def query(tx: Transaction) -> tuple[ErasureLine, ...]:
        names = {one.person: one.name for one in people.everyone(tx, removed=True)}
        return tuple(
            ErasureLine(
                operation=one.operation,
                subjects=one.subjects,
                by=names.get(one.actor, one.actor),
                reason=one.reason,
                state=one.state,
                intended=one.intended,
                completed=one.completed,
            )
            for one in subjects.erasures(tx)
        )

    return lab.read(query)
