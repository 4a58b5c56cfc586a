"""The controller of one sweep: asks what to try, has it run, tells what came of it.

All that it knows is on record before it counts: killed at any moment, another one goes on
where it stood, and no trial is run twice.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cloister.core.encoding import to_text
from cloister.core.errors import CloisterError
from cloister.core.events import Event, Transaction
from cloister.core.ids import RunId
from cloister.jobs import history as jobs
from cloister.jobs.history import Job
from cloister.sweeps import history
from cloister.sweeps.definition import Definition
from cloister.sweeps.history import Sweep, Trial
from cloister.sweeps.search import Search, Told
from cloister.workflows.lab import Act, Lab
from cloister.workflows.leases.holding import orphaned
from cloister.workflows.leases.turns import started_here
from cloister.workflows.queue.dispatch import dispatch, of_service, set_right
from cloister.workflows.queue.service import wake
from cloister.workflows.queue.stop import stop
from cloister.workflows.queue.submit import Submission
from cloister.workflows.sweeps._plan import (
    PARENT,
    SWEEP,
    TRIAL,
    Chosen,
    Plan,
    open_chosen,
    seal_chosen,
)
from cloister.workflows.sweeps._trials import Logged, Nested, Outcome, logged, losses, outcome
from cloister.workflows.tracking.visit import of_job

_LOOKS_S = 0.02
_MENDS_EVERY = 50
_FIRST_FAILURES = 5
"""So many failures and nothing else at the beginning: something is wrong with the script."""
_PATIENCE_S = 20.0
"""How long trials may take to end that were told to."""
Start = Callable[[RunId, int], None]
"""Starts a process that performs a run and holds the lock."""


@dataclass(frozen=True, slots=True)
class Best:
    """The trial to beat."""

    number: int
    run: RunId
    value: float
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened to a trial, and how the sweep stands."""

    number: int
    run: RunId
    state: str
    why: str
    value: float | None
    values: Mapping[str, Any]
    best: Best | None
    ended: int
    of: int
    """How many there may be at most; 0 where nobody said."""


@dataclass(frozen=True, slots=True)
class Doing:
    """How it is done this time."""

    jobs: int
    start: Start
    tell: Callable[[Moment], None]
    count: int | None = None
    """Trials to begin now, at most."""


@dataclass(slots=True)
class Going:
    """A trial that has not ended, as far as the record says."""

    number: int
    run: RunId
    chosen: Chosen
    pruned: bool = False
    stopped: bool = False
    state: str = jobs.QUEUED
    logged: Logged | None = None


@dataclass(slots=True)
class Controller:
    """Whoever holds the sweep's lock."""

    act: Act
    sweep: Sweep
    key: bytes = field(repr=False)
    plan: Plan
    definition: Definition
    submission: Submission
    search: Search
    doing: Doing
    trials: list[Trial]
    """Those that were there before."""
    going: dict[int, Going] = field(default_factory=dict)
    best: Best | None = None
    counts: dict[str, int] = field(default_factory=dict)
    begun: int = 0
    _failed: int = 0
    _works: bool = False
    """Some trial did not fail."""
    _lines: dict[int, list[float]] = field(default_factory=dict)
    """The losses of trials that ended, to judge others by."""
    _looks: int = 0

    @property
    def lab(self) -> Lab:
        """The lab."""
        return self.act.lab

    def finish(self) -> str:
        """Until nothing is left to do; why that is."""
        for trial in self.trials:
            self._recall(trial)
        try:
            return self._run()
        except BaseException:
            self._give_up()
            raise

    def _recall(self, trial: Trial) -> None:
        chosen = open_chosen(self.key, trial)
        if trial.state == history.RUNNING:
            going = Going(trial.number, trial.run, chosen, pruned=bool(trial.pruned))
            self.going[trial.number] = going
            return
        self._count(trial.state)
        self._learn(trial.number, trial.tracked)
        if trial.state == "finished":
            self._compare(trial.number, trial.run, trial.value, chosen.values)

    def _run(self) -> str:
        number = max((trial.number for trial in self.trials), default=-1) + 1
        while True:
            self._settle()
            stopping = self.lab.read(lambda tx: history.find(tx, self.sweep.sweep)).stopping
            why = "asked" if stopping else self._enough()
            while not why and len(self.going) < self.doing.jobs:
                why = "" if self._begin(number) else "grid"
                number += not why
                why = why or self._enough()
            if not self.going:
                return why
            if stopping == "now":
                self._stop_all()
            self._prune()
            self._dispatch()
            time.sleep(_LOOKS_S)

    def _enough(self) -> str:
        """Why no more are begun; empty where more are."""
        metric, cap, count = self.definition.metric, self.definition.cap, self.doing.count
        if self._failed >= _FIRST_FAILURES and not self._works:
            return "failures"
        if metric is not None and self.best is not None and metric.reached(self.best.value):
            return "target"
        counted = sum(self.counts.values()) - self.counts.get("interrupted", 0)
        if cap is not None and counted + len(self.going) >= cap:
            return "cap"
        if count is not None and self.begun >= count:
            return "count"
        return ""

    def _begin(self, number: int) -> bool:
        """Asks for one more trial; False where all was tried."""
        places = self.search.ask(number)
        if places is None:
            return False
        chosen = Chosen(places, self.search.values(places))
        wanted = self.plan.request(self.definition, chosen.values, self._tags(number))

        def besides(run: RunId) -> list[Event]:
            body = {
                "chosen": to_text(seal_chosen(self.key, run, chosen)),
                "number": number,
                "run": run,
                "sweep": self.sweep.sweep,
            }
            return [self.act.event("trial.begun", body)]

        run = self.submission.submit(wanted, besides)
        self.going[number] = Going(number, run, chosen)
        self.begun += 1
        return True

    def _tags(self, number: int) -> dict[str, str]:
        own = {SWEEP: str(self.sweep.sweep), TRIAL: str(number)}
        return {PARENT: self.sweep.parent, **own}

    def _settle(self) -> None:
        """Tells the search of every trial that is over, in the order they began."""
        for going in list(self.going.values()):
            job = self.lab.read(lambda tx, run=going.run: jobs.find(tx, run))  # type: ignore[misc]
            assert job is not None  # it was asked for together with its trial
            going.state = job.state
            if job.state != jobs.ENDED:
                continue
            with orphaned(self.lab, going.run) as gone:
                if gone:  # until then it may log what it left in files
                    self._end(going, job)

    def _end(self, going: Going, job: Job) -> None:
        try:
            ended = self._record(going, job, nested=True)
        except CloisterError:  # its experiment was deleted: a trial is no worse for that
            ended = self._record(going, job, nested=False)
        del self.going[going.number]
        times = 0 if ended.logged is None else ended.logged.times
        told = Told(going.number, going.chosen.places, ended.state, ended.value, times)
        self.search.tell(told)
        self._learn(going.number, None if ended.logged is None else ended.logged.tracked)
        self._count(ended.state)
        self._failed += ended.state == "failed"
        self._works |= ended.state != "failed"
        if ended.state == "finished":
            self._compare(going.number, going.run, ended.value, going.chosen.values)
        self._tell(going, ended)

    def _record(self, going: Going, job: Job, *, nested: bool) -> Outcome:
        """Its end, and what it tracked under the sweep's own, in one transaction."""
        metric, visit = self.definition.metric, of_job(self.lab, going.run)
        tags, values = self._tags(going.number), going.chosen.values
        nest = Nested(visit, tags, values, self.sweep.experiment)

        def write(tx: Transaction) -> Outcome:
            if nested:
                nest.write(tx, going.run)
            ended = outcome(tx, job, metric, pruned=going.pruned)
            body = {
                "logged": 0 if ended.logged is None else ended.logged.times,
                "number": going.number,
                "run": going.run,
                "state": ended.state,
                "sweep": self.sweep.sweep,
                "tracked": None if ended.logged is None else ended.logged.tracked,
                "value": None if ended.value is None else repr(ended.value),
                "why": ended.why,
            }
            self.lab.ledger.append(tx, [self.act.event("trial.ended", body)])
            return ended

        return self.lab.database.write(write)

    def _tell(self, going: Going, ended: Outcome) -> None:
        done = sum(self.counts.values())
        self.doing.tell(
            Moment(
                number=going.number,
                run=going.run,
                state=ended.state,
                why=ended.why,
                value=ended.value,
                values=self.definition.space.flat(going.chosen.values),
                best=self.best,
                ended=done,
                of=self.definition.cap or 0,
            )
        )

    def _count(self, state: str) -> None:
        self.counts[state] = self.counts.get(state, 0) + 1

    def _compare(
        self, number: int, run: RunId, value: float | None, values: Mapping[str, Any]
    ) -> None:
        metric = self.definition.metric
        if metric is None or value is None:
            return
        if self.best is None or metric.better(value, self.best.value):
            self.best = Best(number, run, value, self.definition.space.flat(values))

    def _learn(self, number: int, tracked: str | None) -> None:
        metric = self.definition.metric
        if self.definition.stopping is not None and metric is not None and tracked is not None:
            self._lines[number] = self.lab.read(lambda tx: losses(tx, tracked, metric))

    def _prune(self) -> None:
        """Stops those that have logged enough to be judged, and are not among the best."""
        stopping, metric = self.definition.stopping, self.definition.metric
        if stopping is None or metric is None:
            return
        lines: dict[int, list[float]] = {}
        for going in self.going.values():
            if going.state != jobs.RUNNING:
                continue
            now = self.lab.read(lambda tx, run=going.run: logged(tx, run, metric.name))  # type: ignore[misc]
            if now is None or (going.logged is not None and now.times == going.logged.times):
                continue
            going.logged = now
            if stopping.band(now.times) is not None:
                lines[going.number] = self.lab.read(
                    lambda tx, of=now.tracked: losses(tx, of, metric)  # type: ignore[misc]
                )
        for number, line in lines.items():
            others = [*self._lines.values(), *lines.values()]
            going = self.going[number]
            if not going.pruned and stopping.stops(line, others):
                going.pruned = True
                body = {"number": number, "sweep": self.sweep.sweep}
                self.act.record([self.act.event("trial.pruned", body)])
                self._stop(going)

    def _dispatch(self) -> None:
        """Has those started whose turn has come, by `up` where it is; mends what died."""
        self._looks += 1
        if self._looks % _MENDS_EVERY == 0:
            set_right(self.lab)
        if not any(one.state == jobs.QUEUED for one in self.going.values()):
            return
        if wake(self.lab):
            return
        for run, lock in dispatch(self.lab, self.submission.box, self._able, self._mine):
            try:
                self.doing.start(run, lock)
            finally:
                os.close(lock)  # its process has its own

    def _mine(self, job: Job) -> bool:
        return of_service(job) and any(one.run == job.run for one in self.going.values())

    def _able(self, job: Job) -> bool:
        return started_here(job) or self._mine(job)

    def _stop(self, going: Going) -> None:
        if not going.stopped:
            going.stopped = True
            stop(self.lab, going.run)

    def _stop_all(self) -> None:
        for going in self.going.values():
            self._stop(going)

    def _give_up(self) -> None:
        """Ends what runs, as long as that does not take too long."""
        self._stop_all()
        end_s = time.monotonic() + _PATIENCE_S
        while self.going and time.monotonic() < end_s:
            self._settle()
            time.sleep(_LOOKS_S)
