"""Look: which sweeps there are, what their trials came to, which parameters mattered.

For pages: ``sweeps`` is the list. ``show`` is one sweep: ``names`` are the axes of parallel
coordinates and each trial's ``values`` its place on them, with ``value``, the metric, as the
last axis; ``course`` is the history, a point for each finished trial in the order they ended,
with the best so far; ``best`` is the trial to beat, and ``reproduce`` the line that makes it
again. ``importance`` costs more, and is asked for by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cloister.core.events import Transaction
from cloister.core.ids import RunId, SweepId
from cloister.policy import Action
from cloister.sweeps import history
from cloister.sweeps import importance as shares
from cloister.sweeps.definition import Definition
from cloister.sweeps.history import Sweep, Trial
from cloister.workflows.lab import Lab
from cloister.workflows.sweeps import _seen
from cloister.workflows.sweeps._plan import object_key, open_chosen, plan_of, told_of
from cloister.workflows.sweeps.whys import WHYS
from cloister.workflows.unseal import open_keys


@dataclass(frozen=True, slots=True)
class SweepLine:
    """One sweep in a list."""

    sweep: SweepId
    name: str
    """Empty where its key was destroyed."""
    method: str
    state: str
    why: str
    trials: int
    metric: str | None
    best: float | None
    started: str


@dataclass(frozen=True, slots=True)
class TrialView:
    """One trial."""

    number: int
    run: RunId
    state: str
    why: str
    value: float | None
    """The metric, as logged last."""
    logged: int
    """How often it was."""
    tracked: str | None
    """The tracked run whose page has the curves."""
    started: str
    finished: str | None
    took_s: float | None
    values: Mapping[str, Any]
    """Dotted name -> what the script was given."""
    on: str | None
    """The other machine that it ran on; None: this one."""

    @property
    def because(self) -> str:
        """``why`` in words; empty where there is nothing to say."""
        return WHYS.get(self.why, "")


@dataclass(frozen=True, slots=True)
class Step:
    """A finished trial in the course of the search."""

    number: int
    value: float
    best: float
    """The best until then."""


@dataclass(frozen=True, slots=True)
class SweepView:
    """One sweep."""

    sweep: SweepId
    name: str
    description: str | None
    method: str
    state: str
    why: str
    metric: str | None
    goal: str | None
    """``maximize`` or ``minimize``."""
    target: float | None
    cap: int | None
    unused: tuple[str, ...]
    """Keys of the file that change nothing here."""
    seed: int
    experiment: int
    parent: str
    started: str
    finished: str | None
    names: tuple[str, ...]
    """Of the parameters that are searched, in the order of the file."""
    trials: tuple[TrialView, ...]
    course: tuple[Step, ...]
    best: TrialView | None
    on: tuple[str, ...]
    """Where its trials run: addresses and ``local``; empty: here."""

    @property
    def because(self) -> str:
        """``why`` in words; empty as long as it goes on."""
        return WHYS.get(self.why, "")

    @property
    def spread(self) -> bool:
        """Whether its trials ran on more than one machine."""
        return len({one.on for one in self.trials}) > 1

    @property
    def reproduce(self) -> str | None:
        """The one line that makes the best run again, and compares."""
        return None if self.best is None else f"cloister reproduce {self.best.run}"


def sweeps(lab: Lab) -> list[SweepLine]:
    """All that the actor may see, newest first."""
    lab.act(Action.LIST)

    def query(tx: Transaction) -> list[tuple[Sweep, list[Trial]]]:
        return [(one, history.trials(tx, one.sweep)) for one in _seen.sweeps(lab, tx)]

    found = lab.read(query)[::-1]
    keys = open_keys(lab, [sweep.key for sweep, _ in found])
    return [_line(sweep, trials, keys.get(sweep.seal)) for sweep, trials in found]


def show(lab: Lab, name: str) -> SweepView:
    """One sweep and its trials; raises NotFound, Erased."""
    sweep = _seen.sweep(lab, name, Action.LIST)
    key = object_key(lab, sweep)
    plan = plan_of(sweep, key)
    definition = plan.definition
    found = lab.read(lambda tx: history.trials(tx, sweep.sweep))
    trials = tuple(_trial(one, key, definition) for one in found)
    metric = definition.metric
    return SweepView(
        sweep=sweep.sweep,
        name=plan.name,
        description=definition.description,
        method=definition.method,
        state=sweep.state,
        why=sweep.why,
        metric=metric.name if metric else None,
        goal=metric.goal if metric else None,
        target=metric.target if metric else None,
        cap=definition.cap,
        unused=definition.unused,
        seed=sweep.seed,
        experiment=sweep.experiment,
        parent=sweep.parent,
        started=sweep.started,
        finished=sweep.finished,
        names=tuple(leaf.name for leaf in definition.space.searched),
        trials=trials,
        course=tuple(_course(trials, definition)),
        best=_best(trials, definition),
        on=plan.on,
    )


def importance(lab: Lab, name: str) -> Mapping[str, float]:
    """Parameter -> how much it told good trials from others, together 1, the largest first.

    Empty where too few trials finished. Raises NotFound, Erased, and BadInput where what it
    takes is not installed.
    """
    sweep = _seen.sweep(lab, name, Action.LIST)
    key = object_key(lab, sweep)
    trials = lab.read(lambda tx: history.trials(tx, sweep.sweep))
    return shares.importance(plan_of(sweep, key).definition, told_of(key, trials))


def _line(sweep: Sweep, trials: Sequence[Trial], key: bytes | None) -> SweepLine:
    plan = None if key is None else plan_of(sweep, key)
    definition = plan.definition if plan else None
    metric = definition.metric if definition else None
    values = [one.value for one in trials if one.state == "finished" and one.value is not None]
    best = None
    if metric is not None and values:
        best = max(values) if metric.maximize else min(values)
    return SweepLine(
        sweep=sweep.sweep,
        name=plan.name if plan else "",
        method=definition.method if definition else "",
        state=sweep.state,
        why=sweep.why,
        trials=len(trials),
        metric=metric.name if metric else None,
        best=best,
        started=sweep.started,
    )


def _trial(one: Trial, key: bytes, definition: Definition) -> TrialView:
    took = None
    if one.finished is not None:
        begun = datetime.fromisoformat(one.started)
        took = (datetime.fromisoformat(one.finished) - begun).total_seconds()
    chosen = open_chosen(key, one)
    return TrialView(
        number=one.number,
        run=one.run,
        state=one.state,
        why=one.why,
        value=one.value,
        logged=one.logged,
        tracked=one.tracked,
        started=one.started,
        finished=one.finished,
        took_s=took,
        values=definition.space.flat(chosen.values),
        on=chosen.on,
    )


def _finished(trials: Sequence[TrialView]) -> list[tuple[TrialView, float]]:
    return [
        (one, one.value) for one in trials if one.state == "finished" and one.value is not None
    ]


def _best(trials: Sequence[TrialView], definition: Definition) -> TrialView | None:
    metric, best = definition.metric, None
    for one, value in _finished(trials) if metric else ():
        if best is None or (metric and metric.better(value, best[1])):
            best = one, value
    return best[0] if best else None


def _course(trials: Sequence[TrialView], definition: Definition) -> list[Step]:
    metric, course = definition.metric, list[Step]()
    if metric is None:
        return course
    for one, value in sorted(_finished(trials), key=lambda pair: str(pair[0].finished)):
        before = course[-1].best if course else value
        best = value if metric.better(value, before) else before
        course.append(Step(one.number, value, best))
    return course
