"""One trial seen from outside: how its run ended, what it logged, where that is nested."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cloister.core.errors import CloisterError
from cloister.core.events import Transaction
from cloister.core.ids import RunId
from cloister.jobs.history import Job
from cloister.sweeps.definition import Metric
from cloister.tracking import history as points
from cloister.tracking import limits, notes
from cloister.tracking import runs as tables
from cloister.tracking.experiments import ACTIVE
from cloister.tracking.notes import Note
from cloister.tracking.points import latest_named
from cloister.tracking.runs import TrackedRun
from cloister.workflows.lab import Lab
from cloister.workflows.tracking.ending import STATUSES
from cloister.workflows.tracking.log import log
from cloister.workflows.tracking.recording import now_ms
from cloister.workflows.tracking.runs import NewRun, create, update
from cloister.workflows.tracking.visit import of_job


@dataclass(frozen=True, slots=True)
class Logged:
    """What a trial logged of the metric."""

    tracked: str
    value: float
    """The last; not a number where that is what was logged."""
    times: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a trial ended."""

    state: str
    why: str = ""
    logged: Logged | None = None

    @property
    def value(self) -> float | None:
        """The metric, where it is a number."""
        if self.logged is None or not math.isfinite(self.logged.value):
            return None
        return self.logged.value


def logged(tx: Transaction, run: RunId, metric: str) -> Logged | None:
    """The metric in the first of its tracked runs that has it; None where nobody logged it."""
    own = [one.run for one in tables.of_fenced(tx, run)]
    found = {one.run: one for one in latest_named(tx, own, [metric])}
    for name in own:
        if name in found:
            count = tx.query(
                "SELECT points FROM track_series WHERE run = ? AND metric = ?", (name, metric)
            )
            return Logged(name, found[name].value, count[0][0])
    return None


def losses(tx: Transaction, tracked: str, metric: Metric) -> list[float]:
    """Its values as they came, the smaller the better; those that are no numbers left out."""
    sign = -1.0 if metric.maximize else 1.0
    found = points.page(tx, tracked, metric.name, 0, None)
    return [sign * one.value for one in found if math.isfinite(one.value)]


def outcome(tx: Transaction, job: Job, metric: Metric | None, *, pruned: bool) -> Outcome:
    """What became of a trial whose job has ended."""
    found = None if metric is None else logged(tx, job.run, metric.name)
    if job.outcome == "finished":
        if metric is not None and found is None:
            return Outcome("failed", "no-metric")
        if found is not None and not math.isfinite(found.value):
            return Outcome("failed", "no-number", found)
        return Outcome("finished", "", found)
    if pruned:
        return Outcome("pruned", "", found)
    if job.stopping is not None or job.outcome == "cancelled":
        return Outcome("interrupted", "", found)
    why = {"failed": "exit", "refused": "refused"}.get(str(job.outcome), "killed")
    return Outcome("failed", why, found)


def nest(
    lab: Lab, run: RunId, tags: Mapping[str, str], values: Mapping[str, Any], experiment: int
) -> None:
    """Nests what a trial tracked under its sweep, with its parameters; makes a run for a trial
    that tracked nothing.

    What the script logged under the same name stays as it is. A trial is no worse where this
    cannot be done.
    """
    visit = of_job(lab, run)
    marks = [Note(name, value) for name, value in tags.items()]
    params = [
        Note(name, str(value)[: limits.PARAM_CHARS])
        for name, value in values.items()
        if len(name) <= limits.KEY_CHARS
    ]
    try:
        own = [one for one in lab.read(lambda tx: tables.of_fenced(tx, run)) if _live(one)]
        if not own:
            own = [create(visit, NewRun(str(experiment), now_ms(lab), run)).run]
            state = lab.read(lambda tx: _state(tx, run))
            update(visit, own[0].run, STATUSES[state], now_ms(lab))
        for one in own:
            there = dict(lab.read(lambda tx, of=one: _tags(tx, of)))  # type: ignore[misc]
            log(visit, one.run, tags=[note for note in marks if note.name not in there])
        known = {name for _, name, _ in lab.read(lambda tx: notes.params(tx, [own[0].run]))}
        fresh = [note for note in params if note.name not in known]
        for start in range(0, len(fresh), limits.TEXTS_A_BATCH):
            log(visit, own[0].run, params=fresh[start : start + limits.TEXTS_A_BATCH])
    except CloisterError:
        return


def _live(one: TrackedRun) -> bool:
    return one.stage == ACTIVE


def _tags(tx: Transaction, one: TrackedRun) -> list[tuple[str, str]]:
    return [(name, value) for _, name, value in notes.tags(tx, [one.run])]


def _state(tx: Transaction, run: RunId) -> str:
    rows = tx.query("SELECT state FROM run WHERE run = ?", (run,))
    state = str(rows[0][0]) if rows else "interrupted"
    return state if state in STATUSES else "interrupted"
