"""Run a pipeline: its file read in the fence, its steps made, all on record; or go on."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import msgpack  # type: ignore[import-untyped]

from cloister import fence
from cloister.core.errors import BadInput
from cloister.core.events import Event, Transaction
from cloister.core.ids import FlowId, RunId
from cloister.fence import FenceSpec
from cloister.pipelines import history as flows
from cloister.pipelines.history import Attempt, Flow
from cloister.pipelines.plan import Plan, after, parse
from cloister.pipelines.progress import Job, State
from cloister.pipelines.target import WHOLE_PLAN, Target, shape
from cloister.policy import Action
from cloister.runs import code, environment
from cloister.runs.code import CodeState
from cloister.runs.command import Start
from cloister.runs.environment import Environment
from cloister.workflows import _seen
from cloister.workflows.far.worker import Fenced
from cloister.workflows.lab import Act, Lab
from cloister.workflows.pipelines._active import active
from cloister.workflows.pipelines._asked import FlowReport, FlowRequest, Moment, asked_before
from cloister.workflows.pipelines._attempts import Common
from cloister.workflows.pipelines._earlier import seen_to
from cloister.workflows.pipelines._ending import close, ended
from cloister.workflows.pipelines._fresh import Fresh, Told, given_to
from cloister.workflows.pipelines._keying import Around, keying
from cloister.workflows.pipelines._places import crew_of
from cloister.workflows.pipelines._scheduler import Scheduler
from cloister.workflows.pipelines._session import Ground, Session
from cloister.workflows.pipelines._turn import WorkerTurn, check_room, worker_wish
from cloister.workflows.pipelines._values import read_kept
from cloister.workflows.runs._attaching import Attachment, attach
from cloister.workflows.runs._job import Output
from cloister.workflows.runs._plan import JobPlan

__all__ = [
    "FlowReport",
    "FlowRequest",
    "Flowing",
    "Moment",
    "asked_before",
    "resume_flow",
    "run_flow",
]

PLAN = "plan"
"""What the plan is called among the outputs of the worker's run."""


Tell = Callable[[Moment], None]
_HEEDS_S = 0.25


def run_flow(
    lab: Lab, request: FlowRequest, tell: Tell, output: Output, flow: FlowId | None = None
) -> FlowReport:
    """Runs all of it; each attempt is a run, on record before it is made.

    The user's file is read in the fence. Killed at any moment, ``resume_flow`` goes on: what
    ended is not made again, and what declared itself not idempotent is not begun again.
    Raises BadInput for a file that defines no pipeline, or wrongly; NotFound for data that are
    not there; FenceUnavailable.
    """
    act = lab.act(Action.RUN)
    flow = flow or FlowId.new(lab.randomness)
    with lab.alone(flow):
        return Flowing(act, flow, request, tell, output, lab.clock.monotonic_s()).begin()


def resume_flow(
    lab: Lab, name: str, environment: Mapping[str, str], tell: Tell, output: Output
) -> FlowReport:
    """Goes on with a run of a pipeline that was interrupted or stopped, or that failed.

    Raises BadInput for one that is finished, or whose file defines another plan by now;
    Conflict while another process is at it.
    """
    act = lab.act(Action.RUN)
    found = lab.read(lambda tx: flows.find(tx, name))
    _seen_run(lab, found)
    if found.state == "finished":
        raise BadInput(f"{found.flow} is finished: there is nothing to go on with")
    with lab.alone(found.flow):
        told = msgpack.unpackb(read_kept(lab, found.plan_run, PLAN))
        request = replace(asked_before(told, environment), reason=found.reason, due=found.due)
        flowing = Flowing(act, found.flow, request, tell, output, lab.clock.monotonic_s())
        return flowing.go_on(told, found.plan_run)


def _seen_run(lab: Lab, flow: Flow) -> None:
    lab.read(lambda tx: _seen.run(lab, tx, flow.plan_run, Action.RUN))


@dataclass(slots=True)
class Flowing:
    """One run of a pipeline between its two events."""

    act: Act
    flow: FlowId
    request: FlowRequest
    tell: Tell
    output: Output
    began_s: float
    turn: WorkerTurn = field(init=False)
    _heeded_s: float = 0.0

    def __post_init__(self) -> None:
        wish = worker_wish(self.request.file, self.request.slots)
        self.turn = WorkerTurn(self.act.lab, wish)

    def begin(self) -> FlowReport:
        """From the file on."""
        with self.session() as (session, start):
            packed = session.worker.plan(self.request.file, self.request.name, self._chosen())
            plan = parse(packed)
            check_room(self.act.lab, plan, self.request.on)
            self._target(plan)  # what is not there is told before anything begins

            def waits() -> None:
                session.keep(PLAN, self.remembered(packed, None))
                session.record([self._waiting(plan, session.run)])

            with self._active(plan, waits):
                return self._first(session, start, plan, packed)

    def _first(self, session: Session, start: Started, plan: Plan, packed: bytes) -> FlowReport:
        """Settles its data, and makes its steps."""
        resolved = self._resolve(plan)
        kept = session.keep(PLAN, self.remembered(packed, resolved))
        body = self._described(plan, session.run) | {"plan": kept.object}
        session.record([self.act.event("pipeline.begun", body)])
        return self._schedule(session, start, plan, resolved, {}, {})

    def go_on(self, told: Mapping[str, Any], plan_run: RunId) -> FlowReport:
        """From where the record says it came to."""
        lab = self.act.lab
        with self.session() as (session, start):
            packed = session.worker.plan(self.request.file, self.request.name, self._chosen())
            if packed != told["plan"]:
                raise BadInput(
                    f"the file defines another plan than when {self.flow} began",
                    hint="begin anew: cloister pipeline run; what did not change is used again",
                )
            plan = parse(packed)
            with self._active(plan, lambda: self.act.record([self._waiting(plan, plan_run)])):
                if told["versions"] is None:  # its turn never came
                    return self._first(session, start, plan, packed)
                self.act.record([self.act.event("pipeline.resumed", {"flow": self.flow})])
                prior, taken = lab.read(lambda tx: seen_to(tx, self.flow))
                return self._schedule(session, start, plan, told["versions"], prior, taken)

    def _active(
        self, plan: Plan, recorded: Callable[[], object]
    ) -> AbstractContextManager[None]:
        """One of its runs at a time; whoever asks for single steps counts runs themselves."""
        most = plan.max_active_runs if self.request.step is None else None

        def waits() -> None:
            self.turn.give_back()
            recorded()
            said = f"{most} of it at a time: until another run is over"
            self.tell(Moment("waits", plan.name, None, said, 0, len(plan.steps)))

        return active(self.act, self.flow, plan.name, most, waits, self._heed)

    def _described(self, plan: Plan, run: RunId) -> dict[str, Any]:
        return {
            "due": self.request.due,
            "flow": self.flow,
            "pipeline": plan.name,
            "reason": self.request.reason,
            "run": run,
            "steps": len(plan.steps),
        }

    def _waiting(self, plan: Plan, run: RunId) -> Event:
        body = self._described(plan, run) | {"most": plan.max_active_runs}
        return self.act.event("pipeline.waiting", body)

    def _schedule(
        self,
        session: Session,
        start: Started,
        plan: Plan,
        versions: Mapping[str, str],
        prior: Mapping[Job, Attempt],
        taken: Mapping[Job, Attempt],
    ) -> FlowReport:
        common, lab = self._common(start, versions), self.act.lab
        told = Told(self.request.file, plan.name, self._chosen())
        planned_s, around = lab.clock.monotonic_s(), self.request.environment
        try:
            with crew_of(self.request, session, self.turn, told, plan, self.tell) as crew:
                scheduler = Scheduler(
                    common=common,
                    plan=plan,
                    around=Around(start.environment.digest, versions),
                    given=lambda step: given_to(lab, self.request.workdir, step, versions),
                    crew=crew,
                    fresh=Fresh(common, told, start.template, self.output, around),
                    tell=self.tell,
                    heed=self._heed,
                    prior=prior,
                    taken=taken,
                    again=_again(plan, self.request),
                    target=self._target(plan),
                )
                states = scheduler.finish()
        except BaseException:
            close(self.act, self.flow)
            raise
        state = "finished" if not scheduler.failures else "failed"
        self.act.record([ended(self.act, self.flow, state)])
        now_s = self.act.lab.clock.monotonic_s()
        return FlowReport(
            flow=self.flow,
            pipeline=plan.name,
            state=state,
            steps=len(plan.steps),
            made=scheduler.made,
            reused=scheduler.reused,
            left_out=states.count(State.LEFT_OUT),
            failures=tuple(scheduler.failures),
            blocked=states.count(State.BLOCKED),
            worker=session.run,
            took_s=now_s - self.began_s,
            steps_s=now_s - planned_s,
            wanted=scheduler.wanted(),
        )

    def _heed(self) -> None:
        """Ends this process's part as Ctrl-C does, once somebody wants it stopped."""
        now_s = self.act.lab.clock.monotonic_s()
        if now_s - self._heeded_s >= _HEEDS_S:
            self._heeded_s = now_s
            if self.act.lab.read(lambda tx: flows.find(tx, self.flow)).stopping:
                raise KeyboardInterrupt

    def _target(self, plan: Plan) -> Target:
        if self.request.shape not in (None, shape(plan)):
            raise BadInput(
                f"the steps of {plan.name} are not those that were exported",
                hint="an edit or a parameter changed them: cloister export airflow again",
            )
        step = self.request.step
        return WHOLE_PLAN if step is None else Target.named(plan, step)

    def _chosen(self) -> Mapping[str, str]:
        return self.request.chosen

    def remembered(self, packed: bytes, versions: Mapping[str, str] | None) -> bytes:
        """The plan, and what it takes to go on with it; no versions before its turn came."""
        request = self.request
        return bytes(
            msgpack.packb(
                {
                    "anew": request.anew,
                    "chosen": dict(request.chosen),
                    "file": request.file,
                    "name": request.name,
                    "on": list(request.on),
                    "plan": packed,
                    "python": request.python,
                    "required": str(request.required),
                    "since": list(request.since),
                    "slots": request.slots,
                    "step": request.step,
                    "versions": None if versions is None else dict(versions),
                    "workdir": os.fsencode(request.workdir),
                }
            )
        )

    @contextmanager
    def session(self) -> Iterator[tuple[Session, Started]]:
        """A worker whose turn has come, before it has read anything."""
        file = self.request.file
        try:
            self.turn.wait(lambda said: self.tell(Moment("waits", file, None, said, 0, 0)))
            with self._opened() as opened:
                yield opened
        finally:
            self.turn.give_back()

    @contextmanager
    def _opened(self) -> Iterator[tuple[Session, Started]]:
        start = self._start()
        slots = self.request.slots or len(os.sched_getaffinity(0))
        spec = FenceSpec(
            argv=start.argv,
            workdir=self.request.workdir,
            env=start.template.start.variables,
            reads=start.template.reads,
            hidden=start.template.hidden,
            required=self.request.required,
        )
        variables = start.template.start.variables
        project = _seen.own_project(self.act.lab)
        ground = Ground(start.code, start.environment, variables, project)
        bell = threading.Event()
        with Session.open(self.act, lambda: Fenced(spec, slots, bell), ground) as session:
            yield session, start

    def _start(self) -> Started:
        lab, request = self.act.lab, self.request
        argv = (request.python, "-m", "cloister.pipelines.inside")
        nothing = attach(lab, argv[:1], request.workdir, ())
        if nothing.given:
            raise BadInput(
                "the pipeline's working folder lies in the folder of a dataset",
                hint="keep code and data apart",
            )
        hidden = (*nothing.withheld.values(), *lab.private)
        variables = fence.job_environment(request.environment, {"PYTHONHASHSEED": "0"})
        captured = code.capture(request.workdir, exclude=hidden, named=(request.file,))
        described = environment.capture(argv[0], variables["PATH"], request.workdir)
        template = JobPlan(
            start=Start(argv, request.workdir, variables),
            attachment=Attachment((), {}),
            hidden=hidden,
            code=captured,
            environment=described,
            required=request.required,
            reads=fence.interpreter_paths(argv[0], variables["PATH"], request.workdir),
        )
        return Started(argv, captured, described, template)

    def _common(self, start: Started, versions: Mapping[str, str]) -> Common:
        lab = self.act.lab
        names = sorted({one.partition("@")[0] for one in versions.values()})
        return Common(
            act=self.act,
            flow=self.flow,
            code=start.code.digest,
            environment=start.environment.digest,
            project=lab.read(lambda tx: _seen.project_of(lab, tx, names)),
            keying=keying(self.act),
        )

    def _resolve(self, plan: Plan) -> dict[str, str]:
        """Reference -> the version that it means in all of this run, its part, its root."""
        lab = self.act.lab
        wanted = sorted({one for step in plan.steps for one in step.datasets})

        def query(tx: Transaction) -> dict[str, str]:
            found = {}
            for reference in wanted:
                name, _, part = reference.partition(":")
                version = _seen.version(lab, tx, name, Action.RUN)
                found[reference] = f"{version}:{part}#{version.root}"
            return found

        return lab.read(query)


@dataclass(frozen=True, slots=True)
class Started:
    """What is known before the file is read."""

    argv: tuple[str, ...]
    code: CodeState
    environment: Environment
    template: JobPlan


def _again(plan: Plan, request: FlowRequest) -> frozenset[int]:
    """The steps to make again; raises BadInput for a name that no step has."""
    if request.anew:
        return frozenset(range(len(plan.steps)))
    names = {one.name: one.number for one in plan.steps}
    if unknown := set(request.since) - set(names):
        raise BadInput(
            f"{plan.name} has no step {min(unknown)}", hint="see `cloister pipeline show`"
        )
    return after(plan, {names[one] for one in request.since})
