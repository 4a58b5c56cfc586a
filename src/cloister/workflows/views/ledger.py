"""The record itself: its entries, searched; its heads and proofs, for whoever checks alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cloister.core.errors import BadInput, NotAllowed
from cloister.core.events import Event, Recorded, Transaction
from cloister.identity import people
from cloister.ledger import Head, LedgerReader
from cloister.ledger.entry import event_of
from cloister.policy import Action
from cloister.workflows.lab import Lab

_AT_ONCE = 500
_MOST_LOOKED_AT = 20_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody looks for; empty is everything."""

    type: str = ""
    """An event's type, or its first word."""
    actor: str = ""
    """A person's name or id."""
    holds: str = ""
    """A text that stands in the body: an id, for instance."""
    since: str = ""
    until: str = ""
    """Times of the record, or the beginnings of them."""


@dataclass(frozen=True, slots=True)
class Line:
    """One entry, as a list shows it."""

    index: int
    type: str
    time: str
    actor: str
    whose: str
    """The actor's name, where it is a person's."""
    about: str
    """The first id in the body."""


@dataclass(frozen=True, slots=True)
class Found:
    """Entries from the newest on, and where to go on looking."""

    lines: tuple[Line, ...]
    following: int | None
    size: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry, whole."""

    index: int
    event: Event
    whose: str
    leaf: bytes
    """What the ledger hashes, byte for byte."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A head and the key that signed it, as a verifier's own code reads them."""

    note: str
    size: int
    key: str
    """C2SP signed-note verifier key."""


def find_entries(lab: Lab, wanted: Wanted, limit: int, after: int | None) -> Found:
    """The newest entries that fit, below ``after``; raises NotAllowed, BadInput.

    A search that finds too little in 20,000 entries stops there and says where to go on.
    """
    _may(lab)

    def query(tx: Transaction) -> Found:
        names = _names(tx)
        actor = _actor(names, wanted.actor)
        size = lab.reader.head(tx).size
        lines: list[Line] = []
        at = size if after is None else min(after, size)
        least = max(0, at - _MOST_LOOKED_AT)
        for one in _backwards(lab.reader, tx, at, least):
            at = one.index
            if _fits(one.event, wanted, actor):
                lines.append(_line(one, names))
            if len(lines) == limit:
                break
        return Found(tuple(lines), at if at > 0 else None, size)

    return lab.read(query)


def one_entry(lab: Lab, index: int) -> Entry:
    """The entry; raises NotFound, NotAllowed."""
    _may(lab)

    def query(tx: Transaction) -> Entry:
        leaf = lab.reader.leaf(tx, index)
        event = event_of(leaf)
        return Entry(index, event, _names(tx).get(event.actor, event.actor), leaf)

    return lab.read(query)


def head(lab: Lab) -> Signed:
    """The newest head."""
    _may(lab)
    found: Head = lab.read(lab.reader.head)
    return Signed(found.note, found.size, lab.reader.key.text())


def inclusion(lab: Lab, index: int, size: int) -> list[bytes]:
    """The proof that an entry is in the log of that size; raises BadInput."""
    _may(lab)
    return lab.read(lambda tx: lab.reader.inclusion(tx, index, _within(lab, tx, size)))


def consistency(lab: Lab, old: int, new: int) -> list[bytes]:
    """The proof that the log of ``new`` goes on from that of ``old``; raises BadInput."""
    _may(lab)
    return lab.read(lambda tx: lab.reader.consistency(tx, old, _within(lab, tx, new)))


def _may(lab: Lab) -> None:
    lab.act(Action.AUDIT)
    if lab.actor.projects is not None:  # entries of all projects, names in them included
        raise NotAllowed(
            "the entries of all projects are for those who see all projects",
            hint="ask an admin or an auditor; `cloister audit` checks the record for everybody",
        )


def _within(lab: Lab, tx: Transaction, size: int) -> int:
    if size > (longest := lab.reader.head(tx).size):
        raise BadInput(f"the ledger has {longest} entries, not {size}")
    return size


def _backwards(
    reader: LedgerReader, tx: Transaction, end: int, least: int
) -> Iterator[Recorded]:
    while end > least:
        first = max(least, end - _AT_ONCE)
        leaves = list(reader.leaves(tx, first, end))
        for index in range(end - 1, first - 1, -1):
            yield Recorded(index, event_of(leaves[index - first]))
        end = first


def _fits(event: Event, wanted: Wanted, actor: frozenset[str]) -> bool:
    kind = event.type == wanted.type or event.type.partition(".")[0] == wanted.type
    if wanted.type and not kind:
        return False
    if wanted.actor and event.actor not in actor:
        return False
    if wanted.since and event.time < wanted.since:
        return False
    if wanted.until and event.time[: len(wanted.until)] > wanted.until:
        return False
    return not wanted.holds or wanted.holds in json.dumps(event.body, ensure_ascii=False)


def _names(tx: Transaction) -> dict[str, str]:
    return {one.person: one.name for one in people.everyone(tx, removed=True)}


def _actor(names: Mapping[str, str], wanted: str) -> frozenset[str]:
    return frozenset({wanted, *(one for one, name in names.items() if name == wanted)})


def _line(one: Recorded, names: Mapping[str, str]) -> Line:
    event = one.event
    whose = names.get(event.actor, event.actor)
    return Line(one.index, event.type, event.time, event.actor, whose, _about(event))


def _about(event: Event) -> str:
    """The id of what it is about: that of its own noun first."""
    noun = event.type.partition(".")[0]
    body: Mapping[str, Any] = event.body
    for name in (noun, "run", "dataset", "record", "operation", "target", "holder", *body):
        value = body.get(name)
        if isinstance(value, str) and 0 < len(value) <= 64:
            return value
    return ""
