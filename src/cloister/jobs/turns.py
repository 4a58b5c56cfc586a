"""Whose turn it is: dominant resource fairness over use that fades, without starvation.

Pure: the same queue, the same turns. People are compared by their dominant share, the
largest part that they have of any one resource (Ghodsi et al., Dominant Resource Fairness,
NSDI 2011, section 4.1), where use in the past counts half as much after each half-life (as
in HTCondor's user priorities and Slurm's PriorityDecayHalfLife).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cloister.jobs.asks import Ask, Box, Free, Lease, Priority

_CLASS_EVERY_S = 6 * 3600.0
"""How long a job waits before it counts as one of the next higher priority."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a lab may set."""

    patience_s: float = 600.0
    """How long smaller jobs may pass one that does not fit yet."""
    half_life_s: float = 86400.0
    """After how long use in the past counts half."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job that waits; times are seconds since the epoch."""

    run: str
    person: str
    priority: Priority
    ask: Ask
    since_s: float


@dataclass(frozen=True, slots=True)
class Used:
    """A job that has, or had, a part of the machine."""

    run: str
    person: str
    ask: Ask
    lease: Lease
    begun_s: float
    ended_s: float | None = None
    """None while it runs."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What the queue says to one job that waits."""

    run: str
    lease: Lease | None
    """None: not yet."""
    kept_for: str | None = None
    """What it would take is kept for this one, which has waited too long."""


def turns(
    box: Box, waiting: Sequence[Waiting], used: Sequence[Used], now_s: float, rules: Rules
) -> tuple[Turn, ...]:
    """What each job is told that waits, in the order they come.

    Whoever has the least of the machine comes first, within a priority; one's own jobs come
    in the order they were asked for. What does not fit is passed by what does, until its
    patience is at an end: from then on what it needs is kept for it as it becomes free, so
    every job that fits the machine begins once what now runs has ended.
    """
    room = _Room.of(box, [one for one in used if one.ended_s is None])
    shares = _Shares.of(box, used, now_s, rules)
    lines = _lines(waiting, now_s)
    said: list[Turn] = []
    while lines:
        person = min(lines, key=lambda who: _rank(lines[who][0], shares.dominant(who), now_s))
        one = lines[person].pop(0)
        if not lines[person]:
            del lines[person]
        lease = room.lend(one.ask)
        if lease is not None:
            shares.add(person, one.ask)
        elif now_s - one.since_s >= rules.patience_s:
            room.keep(one)
        said.append(Turn(one.run, lease, None if lease else room.kept_from(one)))
    return tuple(said)


def free(box: Box, used: Sequence[Used]) -> Free:
    """What of the machine nobody has."""
    room = _Room.of(box, [one for one in used if one.ended_s is None])
    return Free(max(0, room.cpus), max(0, room.memory_bytes), len(room.gpus))


def dominant_shares(
    box: Box, used: Sequence[Used], now_s: float, rules: Rules
) -> Mapping[str, float]:
    """How much of the machine each has, and lately had: at most 1 of each."""
    shares = _Shares.of(box, used, now_s, rules)
    return {person: shares.dominant(person) for person in shares.of_person}


def _lines(waiting: Sequence[Waiting], now_s: float) -> dict[str, list[Waiting]]:
    lines: dict[str, list[Waiting]] = {}
    for one in sorted(waiting, key=lambda one: (-_class(one, now_s), one.since_s, one.run)):
        lines.setdefault(one.person, []).append(one)
    return lines


def _class(one: Waiting, now_s: float) -> int:
    """Its priority; who waits for hours rises, so that no stream of others is endless."""
    risen = int(max(0.0, now_s - one.since_s) // _CLASS_EVERY_S)
    return min(Priority.HIGH.rank, one.priority.rank + risen)


def _rank(one: Waiting, share: float, now_s: float) -> tuple[int, float, float, str]:
    return -_class(one, now_s), share, one.since_s, one.run


@dataclass(slots=True)
class _Room:
    """What is free while turns are given."""

    cpus: int
    memory_bytes: int
    gpus: list[int]
    numbers: list[int]
    """Processors that no job is held to."""
    kept: list[Waiting] = field(default_factory=list)
    before: tuple[int, int, int] = (0, 0, 0)
    """What was free when the first was kept for."""

    @classmethod
    def of(cls, box: Box, holding: Sequence[Used]) -> _Room:
        taken = {gpu for one in holding for gpu in one.lease.gpus}
        held = {cpu for one in holding for cpu in one.lease.cpus}
        return cls(
            cpus=len(box.cpus) - sum(one.ask.cpus for one in holding),
            memory_bytes=box.memory_bytes - sum(one.ask.memory_bytes for one in holding),
            gpus=[gpu for gpu in box.gpus if gpu not in taken],
            numbers=[cpu for cpu in box.cpus if cpu not in held],
        )

    def lend(self, ask: Ask) -> Lease | None:
        if not _fits(ask, (self.cpus, self.memory_bytes, len(self.gpus))):
            return None
        held = tuple(self.numbers[: ask.cpus]) if ask.pinned else ()
        lent = tuple(self.gpus[: ask.gpus])
        self.cpus -= ask.cpus
        self.memory_bytes -= ask.memory_bytes
        self.numbers = [cpu for cpu in self.numbers if cpu not in held]
        self.gpus = self.gpus[ask.gpus :]
        return Lease(held, lent)

    def keep(self, one: Waiting) -> None:
        """What is free of what it asks is nobody else's from now on."""
        if not self.kept:
            self.before = self.cpus, self.memory_bytes, len(self.gpus)
        self.kept.append(one)
        self.cpus -= min(max(0, self.cpus), one.ask.cpus)
        self.memory_bytes -= min(max(0, self.memory_bytes), one.ask.memory_bytes)
        self.gpus = self.gpus[one.ask.gpus :]

    def kept_from(self, one: Waiting) -> str | None:
        """For whom that is kept which ``one`` could take."""
        first = self.kept[0].run if self.kept else None
        return first if first not in {None, one.run} and _fits(one.ask, self.before) else None


def _fits(ask: Ask, room: tuple[int, int, int]) -> bool:
    cpus, memory_bytes, gpus = room
    return ask.cpus <= cpus and ask.memory_bytes <= memory_bytes and ask.gpus <= gpus


@dataclass(slots=True)
class _Shares:
    """Of each person, the part of each resource that they have, and lately had."""

    box: Box
    of_person: dict[str, list[float]]

    @classmethod
    def of(cls, box: Box, used: Sequence[Used], now_s: float, rules: Rules) -> _Shares:
        made = cls(box, {})
        for one in used:
            made.add(one.person, one.ask, _faded(one, now_s, rules.half_life_s))
            if one.ended_s is None:
                made.add(one.person, one.ask)
        return made

    def add(self, person: str, ask: Ask, weight: float = 1.0) -> None:
        has = self.of_person.setdefault(person, [0.0, 0.0, 0.0])
        box = self.box
        parts = (
            ask.cpus / max(1, len(box.cpus)),
            ask.memory_bytes / max(1, box.memory_bytes),
            ask.gpus / max(1, len(box.gpus)),
        )
        for place, part in enumerate(parts):
            has[place] += weight * part

    def dominant(self, person: str) -> float:
        return max(self.of_person.get(person, (0.0,)))


def _faded(one: Used, now_s: float, half_life_s: float) -> float:
    """The time it ran, as a part of for ever: the integral of 2^(-age / half-life)."""
    end_s = now_s if one.ended_s is None else one.ended_s
    rate = math.log(2) / half_life_s
    newest, oldest = max(0.0, now_s - end_s), max(0.0, now_s - one.begun_s)
    return math.exp(-rate * newest) - math.exp(-rate * oldest)
