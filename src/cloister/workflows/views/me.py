"""Whoever looks: their name, role and what they may, and what has to be said on every page."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cloister.core.errors import KeysUnavailable
from cloister.core.events import Transaction
from cloister.core.ids import PersonId
from cloister.identity import people, projects
from cloister.policy import GRAVE, Action
from cloister.workflows.lab import Lab


@dataclass(frozen=True, slots=True)
class Myself:
    """A member as they see themselves."""

    person: PersonId
    name: str
    role: str
    actions: tuple[str, ...]
    """What they may do; what is grave, once they have shown who they are."""
    projects: tuple[str, ...]
    """Names of those whose objects they see."""
    keys: str
    """``open``, ``locked``, or ``down`` where the key service does not answer."""
    development_seal: bool
    """Whether the key service runs as the user who runs the lab."""
    at: int
    """How long the record is: what is asked after this is not older."""


def myself(lab: Lab) -> Myself:
    """The member who asks."""
    lab.act(Action.LIST)
    keys, development_seal = _keys(lab)

    def query(tx: Transaction) -> Myself:
        member = people.find(tx, lab.actor.person)
        seen = lab.actor.projects
        return Myself(
            member.person,
            member.name,
            lab.actor.role,
            tuple(sorted(one for one in Action if _may(lab, one))),
            tuple(
                one.name
                for one in projects.everything(tx)
                if seen is None or one.project in seen
            ),
            keys,
            development_seal,
            lab.reader.head(tx).size,
        )

    return lab.read(query)


def _may(lab: Lab, action: Action) -> bool:
    """Whether they may, or will once they have shown who they are: a token cannot show it."""
    if action not in GRAVE or not lab.actor.via.startswith("session:"):
        return lab.may(action)
    return replace(lab, actor=replace(lab.actor, present=True)).may(action)


def _keys(lab: Lab) -> tuple[str, bool]:
    try:
        status = lab.keys.status()
    except KeysUnavailable:
        return "down", False
    return status.state, status.development_seal
