"""Which patient is meant: by pseudonym, or by the hospital's id asked of the key service."""

from __future__ import annotations

from dataclasses import dataclass

from cloister.core.errors import NotFound
from cloister.core.events import Transaction
from cloister.core.ids import SubjectId
from cloister.core.subjects import Identity
from cloister.datasets import corrections, records
from cloister.identity import subjects
from cloister.policy import Action
from cloister.workflows.lab import Lab


@dataclass(frozen=True, slots=True)
class Patient:
    """One patient under every name the lab has for them."""

    asked: SubjectId
    names: tuple[SubjectId, ...]


def patient(lab: Lab, text: str, issuer: str = "local") -> Patient:
    """The patient called ``text``: a pseudonym (``sub_...``) or an issuer's local id.

    Raises NotFound, which repeats nothing of what was asked, and NotAllowed.
    """
    lab.act(Action.LIST)
    if text.startswith("sub_"):
        asked = SubjectId.parse(text)
        if not lab.read(lambda tx: records.of_subjects(tx, [asked])):
            raise NotFound("no subject has this pseudonym", hint="see `cloister ls --subjects`")
    else:
        identity = Identity.of(issuer, text)
        found = lab.keys.subjects([(identity.issuer, identity.local_id)], create=False)[0]
        if found is None:
            raise NotFound(
                f"no subject of issuer {issuer} has this id",
                hint="an erased subject is found by its pseudonym only; see --issuer",
            )
        asked = found
    return lab.read(lambda tx: known(tx, asked))


def known(tx: Transaction, asked: SubjectId) -> Patient:
    """The patient whom a pseudonym names."""
    return Patient(asked, _names(tx, asked))


def _names(tx: Transaction, asked: SubjectId) -> tuple[SubjectId, ...]:
    """All names, and the keys that assigned records were under before."""
    linked = subjects.closure(tx, asked)
    return (*linked, *corrections.provisionals(tx, linked))
