"""Whether the lab comes back after a disaster: copies, rehearsals, the recovery secret."""

from __future__ import annotations

from dataclasses import dataclass

from cloister.core.errors import KeysUnavailable
from cloister.core.events import Transaction
from cloister.keys.values import KeyStatus
from cloister.policy import Action
from cloister.recovery import register
from cloister.workflows.lab import Lab
from cloister.workflows.recovery.backup import list_backups


@dataclass(frozen=True, slots=True)
class Place:
    """One place that backups go to."""

    target: str
    uri: str
    there: bool
    """Whether it answers now."""
    saved: str | None
    """When the last save was whole."""
    behind: int
    """Entries of the record that only this lab's disk has."""
    since: str | None
    """When the oldest of them was made."""
    lag_ms: int | None
    """Of a continuous backup; None where none is running."""
    trouble: str | None


@dataclass(frozen=True, slots=True)
class Drill:
    """The newest rehearsal of one disaster."""

    scenario: str
    outcome: str
    rpo_ms: int | None
    rto_ms: int | None
    time: str


@dataclass(frozen=True, slots=True)
class Secret:
    """What opens the keys when all else is lost."""

    kind: str
    """``code`` or ``shares``."""
    threshold: int | None
    count: int | None
    set: str | None


@dataclass(frozen=True, slots=True)
class Recovery:
    """All of it."""

    places: tuple[Place, ...]
    drills: tuple[Drill, ...]
    keys: str
    """``open``, ``locked``, ``empty``; ``down`` where the key service does not answer."""
    development_seal: bool
    secret: Secret | None
    copy: str
    """Of the keys: ``none``, ``kept``, ``suspended``, ``unreachable``; ``unknown``."""


def recovery(lab: Lab) -> Recovery:
    """How the lab stands now."""
    lab.act(Action.LIST)
    places = tuple(
        Place(
            line.target.target,
            line.target.uri,
            line.there,
            None if line.last is None else line.last.time,
            line.behind.entries,
            line.behind.since,
            None if line.beat is None else line.beat.lag_ms,
            None if line.beat is None else line.beat.trouble,
        )
        for line in list_backups(lab)
    )
    status = _status(lab)
    return Recovery(
        places,
        lab.read(_drills),
        "down" if status is None else status.state,
        status is not None and status.development_seal,
        None if status is None else _secret(status),
        "unknown" if status is None else status.copy.state,
    )


def _drills(tx: Transaction) -> tuple[Drill, ...]:
    found = register.last_drills(tx).values()
    return tuple(
        Drill(one.scenario, one.outcome, one.rpo_ms, one.rto_ms, one.time) for one in found
    )


def _status(lab: Lab) -> KeyStatus | None:
    try:
        return lab.keys.status()
    except KeysUnavailable:
        return None


def _secret(status: KeyStatus) -> Secret:
    if status.shares is None:
        return Secret("code", None, None, None)
    shares = status.shares
    return Secret("shares", shares.threshold, shares.count, shares.name)
