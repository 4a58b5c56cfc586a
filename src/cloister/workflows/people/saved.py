"""Saved views: a member keeps how they like to see a table, for themselves alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cloister.core.errors import BadInput, NotFound
from cloister.core.events import Event, Transaction
from cloister.identity import saved
from cloister.identity.saved import SavedView
from cloister.policy import Action
from cloister.runs.identified import Place
from cloister.workflows.lab import Lab
from cloister.workflows.tracking.cleaning import Cleaner
from cloister.workflows.tracking.recording import one, record
from cloister.workflows.tracking.visit import Visit

MOST = 100
_NAME_CHARS, _TEXT_CHARS, _COLUMNS = 80, 4096, 30


@dataclass(frozen=True, slots=True)
class Asked:
    """What of the table of runs a view shows."""

    filter: str = ""
    order: str = ""
    columns: tuple[str, ...] = ()
    experiment: str = ""


def views(lab: Lab) -> list[SavedView]:
    """The actor's own, by name."""
    lab.act(Action.LIST)
    return lab.read(lambda tx: saved.of_person(tx, lab.actor.person))


def save(lab: Lab, name: str, asked: Asked) -> None:
    """Keeps it, in place of one of that name; ids of patients in it become pseudonyms.

    Raises BadInput for a name or a text that is too long, or one view too many.
    """
    act = lab.act(Action.LIST)
    name = name.strip()
    _check(name, asked)
    clean = _clean(lab, (name, asked.filter, asked.order, asked.experiment, *asked.columns))
    body = {
        "asked": {
            "columns": list(clean[4:]),
            "experiment": clean[3],
            "filter": clean[1],
            "order": clean[2],
        },
        "name": clean[0],
    }

    def change(tx: Transaction) -> tuple[list[Event], None]:
        known = {each.name for each in saved.of_person(tx, lab.actor.person)}
        if clean[0] not in known and len(known) >= MOST:
            raise BadInput(f"you have {MOST} views already", hint="remove one you do not need")
        return one(act, "view.saved", body), None

    record(act, change)


def remove(lab: Lab, name: str) -> None:
    """Lets it go; raises NotFound."""
    act = lab.act(Action.LIST)

    def change(tx: Transaction) -> tuple[list[Event], None]:
        if all(each.name != name for each in saved.of_person(tx, lab.actor.person)):
            raise NotFound("you have no view of that name")
        return one(act, "view.removed", {"name": name}), None

    record(act, change)


def _clean(lab: Lab, texts: Sequence[str]) -> list[str]:
    return Cleaner(Visit(lab)).texts(Place.NAME, texts)


def _check(name: str, asked: Asked) -> None:
    if not name or len(name) > _NAME_CHARS or "\0" in name:
        raise BadInput(f"a view has a name of 1 to {_NAME_CHARS} characters")
    texts = (asked.filter, asked.order, asked.experiment, *asked.columns)
    if any(len(text) > _TEXT_CHARS or "\0" in text for text in texts):
        raise BadInput(f"a view holds texts of at most {_TEXT_CHARS} characters")
    if len(asked.columns) > _COLUMNS:
        raise BadInput(f"a view has at most {_COLUMNS} columns")
