"""One trial seen from outside: how its run ended, what it logged, where that is nested."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cloister.core.events import Transaction
from cloister.core.ids import RunId
from cloister.jobs.history import Job
from cloister.policy import Action
from cloister.sweeps.definition import Metric
from cloister.tracking import history as points
from cloister.tracking import limits, notes
from cloister.tracking import runs as tables
from cloister.tracking.experiments import ACTIVE
from cloister.tracking.notes import Note
from cloister.tracking.points import latest_named
from cloister.workflows.tracking import log as logging
from cloister.workflows.tracking import runs as tracked
from cloister.workflows.tracking.ending import STATUSES
from cloister.workflows.tracking.recording import now_ms
from cloister.workflows.tracking.visit import Visit


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


@dataclass(frozen=True, slots=True)
class Nested:
    """What a trial's tracked runs are told once it is over."""

    visit: Visit
    tags: Mapping[str, str]
    values: Mapping[str, Any]
    experiment: int

    def write(self, tx: Transaction, run: RunId) -> None:
        """Nests them under the sweep, the first with the trial's parameters; makes one for a
        trial that tracked nothing.

        What the script logged under the same name stays as it is.
        """
        own = [one.run for one in tables.of_fenced(tx, run) if one.stage == ACTIVE]
        if not own:
            own = [self._made(tx, run)]
        there = {(of, name) for of, name, _ in notes.tags(tx, own)}
        known = {name for _, name, _ in notes.params(tx, own[:1])}
        params = [
            Note(name, str(value)[: limits.PARAM_CHARS])
            for name, value in self.values.items()
            if len(name) <= limits.KEY_CHARS and name not in known
        ]
        for of in own:
            tags = [Note(*tag) for tag in self.tags.items() if (of, tag[0]) not in there]
            logging.pending(self.visit, of, params=params, tags=tags).write(tx)
            params = []

    def _made(self, tx: Transaction, run: RunId) -> str:
        visit, now = self.visit, now_ms(self.visit.lab)
        new = tracked.NewRun(str(self.experiment), now, run)
        made = tracked.pending(visit, new).write(tx).run.run
        status = STATUSES[_state(tx, run)]
        act = visit.act(Action.RUN)
        visit.lab.ledger.append(tx, tracked.updated(act, made, status=status, ended_ms=now))
        return made


def _state(tx: Transaction, run: RunId) -> str:
    rows = tx.query("SELECT state FROM run WHERE run = ?", (run,))
    state = str(rows[0][0]) if rows else "interrupted"
    return state if state in STATUSES else "interrupted"
