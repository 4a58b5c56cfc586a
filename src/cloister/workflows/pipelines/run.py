"""Run a pipeline: its file read in the fence, its steps made, all on record; or go on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any

from cloister.core.errors import BadInput
from cloister.core.events import Event, Transaction
from cloister.core.ids import FlowId, RunId
from cloister.pipelines import history as flows
from cloister.pipelines.history import Attempt
from cloister.pipelines.job import Job
from cloister.pipelines.plan import Plan, after, parse
from cloister.pipelines.progress import State
from cloister.pipelines.target import WHOLE_PLAN, Target, shape
from cloister.policy import Action
from cloister.workflows import _seen
from cloister.workflows.lab import Act, Lab
from cloister.workflows.pipelines import look
from cloister.workflows.pipelines._active import active
from cloister.workflows.pipelines._addresses import crew_of
from cloister.workflows.pipelines._asked import FlowReport, FlowRequest, Moment, Script
from cloister.workflows.pipelines._attempts import Common
from cloister.workflows.pipelines._earlier import seen_to
from cloister.workflows.pipelines._ending import close, ended
from cloister.workflows.pipelines._fresh import Fresh, given_to
from cloister.workflows.pipelines._kept import PLAN, Kept, kept_by, to_keep
from cloister.workflows.pipelines._keying import Around, keying
from cloister.workflows.pipelines._reading import opened, read
from cloister.workflows.pipelines._scheduler import Scheduler
from cloister.workflows.pipelines._session import Session
from cloister.workflows.pipelines._turn import WorkerTurn, worker_turn
from cloister.workflows.runs._job import Output
from cloister.workflows.runs._plan import JobPlan

__all__ = [
    "FlowReport",
    "FlowRequest",
    "Moment",
    "resume_flow",
    "run_flow",
]

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
        return _Flowing(act, flow, request, tell, output, lab.clock.monotonic_s()).begin()


def resume_flow(
    lab: Lab, name: str, environment: Mapping[str, str], tell: Tell, output: Output
) -> FlowReport:
    """Goes on with a run of a pipeline that was interrupted or stopped, or that failed.

    Raises BadInput for one that is finished, or whose file defines another plan by now;
    Conflict while another process is at it.
    """
    act = lab.act(Action.RUN)
    found = look.find(lab, name, Action.RUN)
    if found.state == "finished":
        raise BadInput(f"{found.flow} is finished: there is nothing to go on with")
    with lab.alone(found.flow):
        kept = kept_by(lab, found.plan_run)
        asked = replace(kept.request, environment=environment)
        request = replace(asked, reason=found.reason, due=found.due)
        flowing = _Flowing(act, found.flow, request, tell, output, lab.clock.monotonic_s())
        return flowing.go_on(kept, found.plan_run)


@dataclass(slots=True)
class _Flowing:
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
        self.turn = worker_turn(self.act.lab, self.request.file, self.request.slots)

    def begin(self) -> FlowReport:
        """From the file on."""
        with self._opened() as (session, template):
            packed, plan = read(session, self.request)
            self._target(plan), _again(plan, self.request)  # told before anything begins

            def waits() -> None:
                session.keep(PLAN, to_keep(self.request, packed, None))
                session.record([self._waiting(plan, session.run)])

            with self._active(plan, waits):
                return self._first(session, template, plan, packed)

    def _first(
        self, session: Session, template: JobPlan, plan: Plan, packed: bytes
    ) -> FlowReport:
        """Settles its data, and makes its steps."""
        resolved = self._resolve(plan)
        kept = session.keep(PLAN, to_keep(self.request, packed, resolved))
        body = self._described(plan, session.run) | {"plan": kept.object}
        session.record([self.act.event("pipeline.begun", body)])
        return self._schedule(session, template, plan, resolved, {}, {})

    def go_on(self, kept: Kept, plan_run: RunId) -> FlowReport:
        """From where the record says it came to."""
        lab, asked = self.act.lab, self.request
        with self._opened() as (session, template):
            packed = session.worker.plan(asked.file, asked.name, asked.chosen)
            if packed != kept.plan:
                raise BadInput(
                    f"the file defines another plan than when {self.flow} began",
                    hint="begin anew: cloister pipeline run; what did not change is used again",
                )
            plan = parse(packed)
            with self._active(plan, lambda: self.act.record([self._waiting(plan, plan_run)])):
                if kept.versions is None:  # its turn never came
                    return self._first(session, template, plan, packed)
                self.act.record([self.act.event("pipeline.resumed", {"flow": self.flow})])
                prior, taken = lab.read(lambda tx: seen_to(tx, self.flow))
                return self._schedule(session, template, plan, kept.versions, prior, taken)

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
        template: JobPlan,
        plan: Plan,
        versions: Mapping[str, str],
        prior: Mapping[Job, Attempt],
        taken: Mapping[Job, Attempt],
    ) -> FlowReport:
        common, lab = self._common(template, versions), self.act.lab
        script = Script(self.request.file, plan.name, self.request.chosen)
        planned_s, around = lab.clock.monotonic_s(), self.request.environment
        try:
            with crew_of(self.request, session, self.turn, script, plan, self.tell) as crew:
                scheduler = Scheduler(
                    common=common,
                    plan=plan,
                    around=Around(template.environment.digest, versions),
                    given=lambda step: given_to(lab, self.request.workdir, step, versions),
                    crew=crew,
                    fresh=Fresh(common, script, template, self.output, around),
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

    def _opened(self) -> AbstractContextManager[tuple[Session, JobPlan]]:
        return opened(self.act, self.request, self.turn, self.tell)

    def _common(self, template: JobPlan, versions: Mapping[str, str]) -> Common:
        lab = self.act.lab
        names = sorted({one.partition("@")[0] for one in versions.values()})
        return Common(
            act=self.act,
            flow=self.flow,
            code=template.code.digest,
            environment=template.environment.digest,
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
