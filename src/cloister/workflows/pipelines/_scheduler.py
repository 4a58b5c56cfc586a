"""The scheduler of one pipeline's run: starts what may start, records, hears what ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cloister.core.errors import CloisterError
from cloister.core.events import Event
from cloister.core.ids import RunId
from cloister.core.values import LOCAL
from cloister.pipelines.executor import Call, Ended
from cloister.pipelines.history import Attempt, maker
from cloister.pipelines.job import WHOLE, Job
from cloister.pipelines.plan import Plan, PlannedTask, Step
from cloister.pipelines.progress import Progress, State
from cloister.pipelines.target import WHOLE_PLAN, Target
from cloister.pipelines.values import truth
from cloister.workflows.leases.seat import LOOKS_S
from cloister.workflows.pipelines import _attempts, _keying
from cloister.workflows.pipelines._active import Pools
from cloister.workflows.pipelines._asked import Moment
from cloister.workflows.pipelines._attempts import Begun, Common, Finished, Wanted, Where
from cloister.workflows.pipelines._crew import Crew
from cloister.workflows.pipelines._earlier import Earlier, Never
from cloister.workflows.pipelines._fresh import Fresh, FreshCall, Given
from cloister.workflows.pipelines._keying import Around
from cloister.workflows.pipelines._line import Line
from cloister.workflows.pipelines._posts import Post
from cloister.workflows.pipelines._results import Result, Results, Unreadable, usable
from cloister.workflows.pipelines._turn import task_wish

_LONGEST_BACKOFF_S = 3600.0
_MOST_LOSSES = 3
_PATIENCE_S = 0.5
_PAUSE_S = 2.0
"""After which a machine that did not answer is known to be away."""


@dataclass(slots=True)
class Scheduler:
    """All that is known of one run of a plan; what it begins is on record before."""

    common: Common
    plan: Plan
    around: Around
    given: Callable[[Step], Given]
    crew: Crew
    fresh: Fresh
    tell: Callable[[Moment], None]
    heed: Callable[[], None]
    """Raises where all of it is to end."""
    prior: Mapping[Job, Attempt] = field(default_factory=dict)
    """Of a run that goes on: the last attempt of each call."""
    taken: Mapping[Job, Attempt] = field(default_factory=dict)
    """Of a run that goes on: calls that used an earlier result again."""
    again: frozenset[int] = frozenset()
    """Steps that are made whatever earlier results there are."""
    target: Target = WHOLE_PLAN
    reused: int = 0
    made: int = 0
    failures: list[tuple[str, str | None, str]] = field(default_factory=list)
    """(step, run, why) of calls that failed for good."""
    _progress: Progress = field(init=False)
    _results: Results = field(init=False)
    _earlier: Earlier = field(init=False)
    _parts: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    _line: Line = field(init=False)
    _open: dict[int, Begun] = field(default_factory=dict)
    _apart: dict[int, tuple[Wanted, Post]] = field(default_factory=dict)
    """Calls in fences of their own, or that wait for one."""
    _finished: list[Finished] = field(default_factory=list)
    _events: list[Event] = field(default_factory=list)
    _calls_reused: list[list[object]] = field(default_factory=list)
    _losses: dict[Job, int] = field(default_factory=dict)
    _held: dict[Job, list[Wanted]] = field(default_factory=dict)
    """Calls that wait for a result to be made again."""
    _numbers: int = 0

    def __post_init__(self) -> None:
        self._progress = Progress(self.plan, self.target.needed)
        lab, keying = self.common.act.lab, self.common.keying
        self._results = Results(lab, keying, self.plan, self._progress)
        self._earlier = Earlier(
            self.common, self.plan, self._results, self.prior, self.taken, self._events
        )
        self._line = Line(self.plan, self.crew, Pools(lab), lab.clock)

    def finish(self) -> Sequence[State]:
        """Runs until nothing is left; the fate of each step. All is on record on return."""
        try:
            while not (self._progress.over and not self._is_busy()):
                self.heed()
                self._advance()
                self._step()
            self._write([])
        except BaseException:
            self.fresh.close()
            _attempts.abandon(self.common, [*self._open.values()])
            raise
        return self._progress.states

    def wanted(self) -> tuple[State, RunId | None] | None:
        """What became of the target, and the run that holds what it gave."""
        if (job := self.target.job) is None:
            return None
        result = self._results.known.get(job)
        return self._progress.states[job.step], result and result.run

    def _is_busy(self) -> bool:
        waiting = self._finished or self._calls_reused or self._line.ready or self._line.later
        return bool(self._open or self._apart or waiting)

    def _step(self) -> None:
        line = self._line
        begun = [one for n, (one, _) in self._apart.items() if not self.fresh.waits(n)]
        queued = len(self._apart) - len(begun)
        begun += [one.wanted for one in self._open.values()]
        warm, apart = line.choose(begun, queued)
        self._write(warm)
        for one, post in apart:
            self._start_fresh(one, post)
        patience = line.next_s(min(_PATIENCE_S, LOOKS_S) if line.ready else _PATIENCE_S)
        if self._open or line.ready or self._apart or line.later:
            for over in self.crew.poll(0 if self._apart else patience, alone=not self._apart):
                self._ended(over)
        if self._apart:
            for done, run, end in self.fresh.poll(0.05 if self._open else patience):
                self._ended_fresh(done, run, end)

    # What may start

    def _advance(self) -> None:
        """Opens steps whose time has come, and uses again what can be, until that is all."""
        self._line.call_up()
        while steps := self._progress.take():
            fresh = [wanted for step in steps for wanted in self._opened(step)]
            self._line.ready.extend(self._use_again(fresh))

    def _opened(self, step: Step) -> Iterator[Wanted]:
        try:
            jobs = self._jobs(step)
        except (Unreadable, CloisterError) as error:
            self._give_up(Job(step.number), step.name, None, str(error))
            return
        for job in jobs:
            fate = self._earlier.fate(job)
            if fate is None:
                yield self._wanted(step, job)
            elif isinstance(fate, Attempt):
                self._reuse(job, step.name, fate)
            elif isinstance(fate, Never):
                self._give_up(job, step.name, fate.run, fate.why)
            else:
                self._settle(job, fate)

    def _jobs(self, step: Step) -> Sequence[Job]:
        if step.over is None:
            return self._progress.opened(step.number)
        count = len(self._results.listed(step.number))
        only = self.target.part_of(step.number, count)
        return self._progress.opened(step.number, count, only)

    def _wanted(self, step: Step, job: Job) -> Wanted:
        task = self._task(job)
        parts = self._parts.get(step.number)
        if parts is None:
            parts = _keying.components(
                self.common.keying, step, task, self._results.digest, self.around
            )
            self._parts[step.number] = parts
        if job.part != WHOLE:
            parts = {**parts, "item": self._results.item(job)}
        cached = task.settings.cache is not False
        return Wanted(
            job=job,
            tried=0,
            name=job.named(step.name),
            cache=_keying.key_of(self.common.keying, parts) if cached else "",
            parts=parts,
            sources=self._results.sources(step),
            outlets=task.settings.outlets,
        )

    def _use_again(self, wanted: Sequence[Wanted]) -> list[Wanted]:
        """Settles what an earlier attempt gave already; the rest is to be made."""
        keys = [one.cache for one in wanted if one.cache and one.job.step not in self.again]
        found = self.common.act.lab.read(lambda tx: usable(tx, keys)) if keys else {}
        left = []
        for one in wanted:
            earlier = None if one.job.step in self.again else found.get(one.cache)
            if earlier is None or earlier.value is None:
                left.append(one)
                continue
            self._reuse(one.job, one.name, earlier)
            self._renew(one, earlier.run)
        return left

    def _reuse(self, job: Job, name: str, earlier: Attempt) -> None:
        self.reused += 1
        self._calls_reused.append([job.step, job.part, earlier.run])
        self._settle(job, Result(earlier.run, earlier.value or "", bool(earlier.truth)))
        self._say("reused", name, earlier.run, "")

    def _renew(self, wanted: Wanted, run: RunId) -> None:
        """Outlets stand for an earlier result again, where they stood for another."""
        lab = self.common.act.lab
        assets = [
            one
            for one in wanted.outlets
            if lab.read(lambda tx, a=one: maker(tx, a)) != run  # type: ignore[misc]
        ]
        if assets:
            body = {"assets": assets, "run": run}
            self._events.append(self.common.act.event("asset.renewed", body))

    def _task(self, job: Job) -> PlannedTask:
        return self.plan.task_of(job.step)

    # What is begun

    def _write(self, warm: Sequence[tuple[Wanted, Post]]) -> None:
        """Puts on record what ended and what is about to begin, then begins it."""
        made, wanted = list[tuple[Call, Post]](), list[tuple[Wanted, Where]]()
        for one, post in warm:
            if (call := self._call(one)) is None:
                post.load -= 1
                continue
            assert post.where is not None  # chosen just now: nobody went away since
            made.append((call, post))
            wanted.append((one, post.where))
        begun, events = _attempts.begin(self.common, wanted)
        finished, self._finished = self._finished, []
        events = [*self._events, *self._reused_event(), *events]
        self._events.clear()
        if finished or events:
            _attempts.record(self.common, finished, events)
        for attempt, (call, post) in zip(begun, made, strict=True):
            self._open[call.number] = attempt
            self._say("begun", attempt.wanted.name, attempt.run, "")
            self.crew.submit(post, call)

    def _call(self, wanted: Wanted) -> Call | None:
        """The call, or None: a value that it takes cannot be read, and is made again first."""
        try:
            return self._results.call(self._next(), wanted)
        except Unreadable as lost:
            self._line.pools.leave(wanted.job)
            step = self.plan.steps[lost.job.step]
            if self._task(lost.job).takes is not None:
                why = f"what {step.name} stands for cannot be read any more"
                self._give_up(wanted.job, wanted.name, None, why)
                return None
            if lost.job not in self._held:
                self._line.ready.append(self._wanted(step, lost.job))
                self._say("again", step.name, None, "its result cannot be read any more")
            self._held.setdefault(lost.job, []).append(wanted)
            return None

    def _reused_event(self) -> Iterator[Event]:
        calls, self._calls_reused = self._calls_reused, []
        if calls:
            body = {"calls": calls, "flow": self.common.flow}
            yield self.common.act.event("task.reused", body)

    def _start_fresh(self, wanted: Wanted, post: Post) -> None:
        step, call = self.plan.steps[wanted.job.step], self._call(wanted)
        if call is None:
            post.apart -= 1
            return
        self._apart[call.number] = wanted, post
        on = None if post.name == LOCAL else post.name
        wish = task_wish(wanted.name, self._task(wanted.job), on)
        begins = self.fresh.submit(FreshCall(wanted, call, self.given(step), wish, post.host))
        if begins:
            self._say("begun", wanted.name, None, f"in a fence of its own, on {post.name}")
        else:
            self._say("waits", wanted.name, None, "for its turn: see `cloister queue`")

    def _next(self) -> int:
        self._numbers += 1
        return self._numbers

    # What ended

    def _ended(self, ended: Ended) -> None:
        begun = self._open.pop(ended.number)
        self._line.pools.leave(begun.wanted.job)
        if ended.ok:
            result = self._gave(begun.wanted, begun.run, ended)
            self._finished.append(Finished(begun, ended, result.digest))
        else:
            self._finished.append(Finished(begun, ended))
            self._again(begun.wanted, begun.run, ended)

    def _ended_fresh(self, wanted: Wanted, run: RunId | None, ended: Ended) -> None:
        _, post = self._apart.pop(ended.number)
        post.apart -= 1
        self._line.pools.leave(wanted.job)
        if ended.ok and run is not None:
            result = self._gave(wanted, run, ended)
            self._events.append(
                _attempts.task_ended(self.common, wanted, run, result.digest, ended.value)
            )
        else:
            self._again(wanted, run, ended)

    def _gave(self, wanted: Wanted, run: RunId, ended: Ended) -> Result:
        self.made += 1
        self._results.values.put(run, ended.value, ended.files)
        digest = self.common.keying.of_value(ended.value, ended.files)
        result = Result(run, digest, truth(ended.value))
        self._settle(wanted.job, result)
        self._say("done", wanted.name, run, f"{ended.took_ms} ms" if ended.took_ms else "")
        return result

    def _settle(self, job: Job, result: Result) -> None:
        self._results.known[job] = result
        self._line.ready.extend(self._held.pop(job, ()))
        self._progress.succeeded(job, result.truth)

    def _again(self, wanted: Wanted, run: RunId | None, ended: Ended) -> None:
        """Tries once more, at once after a loss, later after a failure; or gives it up."""
        settings = self._task(wanted.job).settings
        next_try = replace(wanted, tried=wanted.tried + 1)
        if ended.error == "lost":
            losses = self._losses[wanted.job] = self._losses.get(wanted.job, 0) + 1
            began = run is not None
            if (settings.idempotent or not began) and losses <= _MOST_LOSSES:
                self._line.put_off(next_try, 0.0 if began else _PAUSE_S)
                self._say("again", wanted.name, run, "its worker was lost")
                return
        elif wanted.tried < self.target.retries(settings) and settings.idempotent:
            pause = min(settings.backoff * 2.0**wanted.tried, _LONGEST_BACKOFF_S)
            self._line.put_off(next_try, pause)
            self._say("again", wanted.name, run, f"{ended.error}; next try in {pause:g} s")
            return
        self._give_up(wanted.job, wanted.name, run, ended.error)

    def _give_up(self, job: Job, name: str, run: str | None, why: str) -> None:
        self.failures.append((name, run, why))
        self._progress.failed(job)
        for one in self._held.pop(job, ()):
            self._give_up(one.job, one.name, None, "a value that it takes cannot be had")
        self._say("failed", name, run, why)

    def _say(self, what: str, name: str, run: str | None, detail: str) -> None:
        settled, of = self._progress.settled, len(self.plan.steps)
        self.tell(Moment(what, name, run, detail, settled, of))
