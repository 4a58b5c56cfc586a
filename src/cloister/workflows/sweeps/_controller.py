"""The controller of one sweep: asks what to try, has it run, tells what came of it.

All that it knows is on record before it counts: killed at any moment, another one goes on
where it stood, and no trial is run twice.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
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
from cloister.workflows.leases.turns import give_in, started_here
from cloister.workflows.leases.wish import FreshRun, fresh_runs
from cloister.workflows.queue.dispatch import locked, of_service, set_right
from cloister.workflows.queue.service import wake
from cloister.workflows.queue.stop import stop
from cloister.workflows.queue.submit import Submission
from cloister.workflows.sweeps._going import Best, Doing, Going, Moment, Over
from cloister.workflows.sweeps._moving import Move, sort_out
from cloister.workflows.sweeps._plan import (
    PARENT,
    SWEEP,
    TRIAL,
    Chosen,
    Plan,
    open_chosen,
    seal_chosen,
)
from cloister.workflows.sweeps._spots import Spots
from cloister.workflows.sweeps._trials import Nested, Outcome, logged, losses, outcome
from cloister.workflows.tracking.visit import of_job

_LOOKS_S = 0.02
_MENDS_EVERY = 50
_MOST_AHEAD, _AHEAD_A_TRIAL = 16, 8
"""Keys are made durable together: one ahead for so many trials begun, and never more than that.
Those that no trial takes open nothing."""
_FIRST_FAILURES = 5
"""So many failures and nothing else at the beginning: something is wrong with the script."""
_PATIENCE_S = 20.0
"""How long trials may take to end that were told to."""


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
    spots: Spots
    doing: Doing
    trials: list[Trial]
    """Those that were there before."""
    going: dict[int, Going] = field(default_factory=dict)
    best: Best | None = None
    counts: dict[str, int] = field(default_factory=dict)
    begun: int = 0
    _next: int = 0
    """The number of the trial after those that were begun."""
    _fresh: list[FreshRun] = field(default_factory=list, repr=False)
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
            pruned = bool(trial.pruned)
            going = Going(trial.number, trial.run, chosen, pruned, tries=trial.tries)
            self.going[trial.number] = going
            return
        self._count(trial.state)
        self._learn(trial.number, trial.tracked)
        if trial.state == "finished":
            self._compare(trial.number, trial.run, trial.value, chosen.values)

    def _run(self) -> str:
        self._next = max((trial.number for trial in self.trials), default=-1) + 1
        while True:
            self.spots.tend()
            stopping = self.lab.read(lambda tx: history.find(tx, self.sweep.sweep)).stopping
            over, loads = self._over(), self._loads()
            over, moves = sort_out(over, self.spots, loads, stopping=bool(stopping))
            moments = [self._take_in(one) for one in over]
            moments += [self._moment(one.going, one.came, one.on) for one in moves]
            why, chosen = ("asked", []) if stopping else self._choose(loads)
            self._put_down(over, self._begin(chosen, moves))
            self._tell(moments)
            if why and not self.going:
                return why
            if stopping == "now":
                self._stop_all()
            self._prune()
            self._looks += 1
            if self._looks % _MENDS_EVERY == 0:
                set_right(self.lab)
            time.sleep(_LOOKS_S)

    def _choose(self, loads: Counter[str | None]) -> tuple[str, list[Chosen]]:
        """What is begun now; and why no more is, unless for want of room."""
        found: list[Chosen] = []
        room = (self.doing.jobs or len(self.spots.spots)) - len(self.going)
        while not (why := self._enough(len(found))) and len(found) < room:
            spot = self.spots.choose(loads)
            if spot is None:
                return "away" if self.spots.nobody else "", found
            places = self.search.ask(self._next + len(found))
            if places is None:
                return "grid", found
            found.append(Chosen(places, self.search.values(places), spot.on))
            loads[spot.on] += 1
        return why, found

    def _loads(self) -> Counter[str | None]:
        return Counter(one.chosen.on for one in self.going.values())

    def _enough(self, chosen: int) -> str:
        """Why none but the ``chosen`` ones are begun; empty where more are."""
        metric, cap, count = self.definition.metric, self.definition.cap, self.doing.count
        if self._failed >= _FIRST_FAILURES and not self._works:
            return "failures"
        if metric is not None and self.best is not None and metric.reached(self.best.value):
            return "target"
        counted = sum(self.counts.values()) - self.counts.get("interrupted", 0)
        if cap is not None and counted + len(self.going) + chosen >= cap:
            return "cap"
        if count is not None and self.begun + chosen >= count:
            return "count"
        return ""

    def _begin(
        self, chosen: Sequence[Chosen], moves: Sequence[Move]
    ) -> list[Callable[[Transaction], None]]:
        """Trials under way as far as we know; what asks for their runs."""
        lacking = len(chosen) + len(moves) - len(self._fresh)
        if lacking > 0:
            ahead = min(_MOST_AHEAD, self.begun // _AHEAD_A_TRIAL)
            self._fresh += fresh_runs(self.lab, max(lacking, ahead))
        asks = []
        for number, one in enumerate(chosen, self._next):
            fresh = self._fresh.pop()
            asks.append(self._asking(Going(number, fresh.run, one), fresh))
        for move in moves:
            fresh = self._fresh.pop()
            asks.append(self._asking(move.again(fresh.run), fresh))
        self._next += len(chosen)
        self.begun += len(chosen)
        return asks

    def _put_down(
        self, over: Sequence[Over], asks: Sequence[Callable[[Transaction], None]]
    ) -> None:
        """Ends, beginnings and turns in one commit; starts those whose turn has come.

        Where `up` is, it gives turns and starts them.
        """
        waits = any(one.state == jobs.QUEUED for one in self.going.values())
        served = waits and wake(self.lab)
        turns: list[Job] = []

        def give(tx: Transaction) -> None:
            turns[:] = give_in(self.act, tx, self.submission.box, self._able, self._mine)

        self._write(over, [*asks, give] if waits and not served else asks)
        if served and asks:
            wake(self.lab)
        for run, lock in locked(self.lab, turns):
            try:
                self.doing.start(run, lock)
            finally:
                os.close(lock)  # its process has its own

    def _write(
        self, over: Sequence[Over], besides: Sequence[Callable[[Transaction], None]]
    ) -> None:
        ends: list[Callable[[Transaction], None]]
        ends = [partial(self._end, one, True) for one in over]
        done = self.lab.database.write_each([*ends, *besides])
        for one, ended in zip(over, done, strict=False):
            try:
                ended()
            except CloisterError:  # its experiment was deleted: a trial is no worse for that
                self.lab.database.write(partial(self._end, one, False))
        for other in done[len(over) :]:
            other()

    def _asking(self, going: Going, fresh: FreshRun) -> Callable[[Transaction], None]:
        self.going[going.number], chosen = going, going.chosen
        wanted = self.plan.request(self.definition, chosen, self._tags(going.number))
        submission = replace(self.submission, wish=wanted.wish())

        def besides(run: RunId) -> list[Event]:
            body = {
                "chosen": to_text(seal_chosen(self.key, run, chosen)),
                "number": going.number,
                "run": run,
                "sweep": self.sweep.sweep,
            }
            if going.moved:
                return [self.act.event("trial.moved", body | {"tries": going.tries})]
            return [self.act.event("trial.begun", body)]

        return submission.asking(fresh, wanted, besides)

    def _tags(self, number: int) -> dict[str, str]:
        own = {SWEEP: str(self.sweep.sweep), TRIAL: str(number)}
        return {PARENT: self.sweep.parent, **own}

    def _over(self) -> list[Over]:
        """Trials that are over, in the order they began."""
        now = self.lab.read(
            lambda tx: {number: jobs.find(tx, one.run) for number, one in self.going.items()}
        )
        found: list[tuple[Going, Job]] = []
        for number, job in now.items():
            if job is None:  # what asked for it was cut short
                del self.going[number]
                continue
            self.going[number].state = job.state
            if job.state == jobs.ENDED and self._is_left(job.run):
                found.append((self.going[number], job))
        metric = self.definition.metric
        return self.lab.read(
            lambda tx: [
                Over(one, outcome(tx, job, metric, pruned=one.pruned)) for one, job in found
            ]
        )

    def _is_left(self, run: RunId) -> bool:
        """Whether its process is gone: until then it may log what it left in files."""
        with orphaned(self.lab, run) as gone:
            return gone

    def _take_in(self, one: Over) -> Moment:
        """Tells the search; what there is to say of it once it is on record."""
        going, ended = one.going, one.ended
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
        return self._moment(going, ended, going.chosen.on)

    def _moment(self, going: Going, came: Outcome, on: str | None) -> Moment:
        return Moment(
            number=going.number,
            run=going.run,
            state=came.state,
            why=came.why,
            value=came.value,
            values=self.definition.space.flat(going.chosen.values),
            best=self.best,
            ended=sum(self.counts.values()),
            of=self.definition.cap or 0,
            on=on,
        )

    def _end(self, one: Over, nested: bool, tx: Transaction) -> None:
        """Its end, and what it tracked under the sweep's own."""
        going, ended = one.going, one.ended
        if nested:
            visit, tags = of_job(self.lab, going.run), self._tags(going.number)
            nest = Nested(visit, tags, going.chosen.values, self.sweep.experiment)
            nest.write(tx, going.run)
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
        self._settle()
        self._stop_all()
        end_s = time.monotonic() + _PATIENCE_S
        while self.going and time.monotonic() < end_s:
            self._settle()
            time.sleep(_LOOKS_S)

    def _settle(self) -> None:
        over, _ = sort_out(self._over(), self.spots, self._loads(), stopping=True)
        moments = [self._take_in(one) for one in over]
        self._write(over, ())
        self._tell(moments)

    def _tell(self, moments: Sequence[Moment]) -> None:
        for moment in moments:
            self.doing.tell(moment)
