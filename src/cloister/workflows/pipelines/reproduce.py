"""Reproduce: any run once more, also a task of a pipeline, and a verdict on what it leaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from cloister import fence
from cloister.core.errors import BadInput, NotFound
from cloister.core.events import Transaction
from cloister.core.ids import RunId
from cloister.identity import projects
from cloister.pipelines import history as flows
from cloister.pipelines.executor import Call
from cloister.pipelines.history import Attempt
from cloister.pipelines.job import Job
from cloister.pipelines.plan import Plan, Step, parse
from cloister.pipelines.progress import Progress
from cloister.runs.command import Start
from cloister.runs.conditions import Choices
from cloister.runs.history import Run, RunInput
from cloister.workflows import _seen
from cloister.workflows.lab import Act, Lab
from cloister.workflows.pipelines._asked import Script
from cloister.workflows.pipelines._attempts import Wanted, inherited
from cloister.workflows.pipelines._fresh import Given, argv_of, call_mount, given_to
from cloister.workflows.pipelines._kept import Kept, kept_by
from cloister.workflows.pipelines._keying import keying
from cloister.workflows.pipelines._results import Result, Results, Unreadable
from cloister.workflows.runs import reproduce as runs
from cloister.workflows.runs._attaching import Attached
from cloister.workflows.runs._part import PartOf
from cloister.workflows.runs._recorded import Left, ended_run, recorded_as
from cloister.workflows.runs._replaying import Replays, Setup, this_host
from cloister.workflows.runs.reproduce import ReproduceRequest, Reproduction


def reproduce(lab: Lab, request: ReproduceRequest, said: Callable[[str], None]) -> Reproduction:
    """As ``runs.reproduce``; a task's call gets the values that it took from the record.

    Raises BadInput for a task that did not end well, NotFound where a value that it took cannot
    be read any more.
    """
    return runs.reproduce(lab, request, said, _again)


def _again(act: Act, request: ReproduceRequest) -> Replays:
    run = ended_run(act.lab, request.run)
    attempt = act.lab.read(lambda tx: flows.attempt_of(tx, run.run))
    if attempt is None:
        return runs.of_run(act, request)
    if run.state != "finished":
        raise BadInput(f"{run.run} failed: a task that gave nothing cannot be compared")
    return _Task.of(act.lab, run, attempt).replays(act, request)


@dataclass(frozen=True, slots=True)
class TaskReplays(Replays):
    """Makes replays of one call of a task, each in a fence of its own."""

    part: PartOf | None = None
    """None where data that it learned from were erased: there is nothing to give it."""
    alone: bool = True
    """Whether it had a fence of its own: else only what its value names was kept."""

    def setup(self, choices: Choices) -> Setup:
        """As of a run, with the call to make."""
        if self.part is None:
            raise BadInput(f"values that {self.was.run.run} took are of data that were erased")
        made = Replays.setup(self, choices)
        return replace(made, plan=replace(made.plan, task=self.part))

    def compared(self, left: Mapping[str, Left]) -> Mapping[str, Left]:
        """What of a replay's outputs a call in the shared fence would have left."""
        if self.alone:
            return left
        return {path: one for path, one in left.items() if path in self.was.left}


@dataclass(frozen=True, slots=True)
class _Task:
    """One call as the record has it."""

    lab: Lab
    run: Run
    attempt: Attempt
    reader: RunId
    """The run that read the pipeline's file: code and environment are kept with it."""
    kept: Kept
    plan: Plan

    @classmethod
    def of(cls, lab: Lab, run: Run, attempt: Attempt) -> _Task:
        flow = lab.read(lambda tx: flows.find(tx, attempt.flow))
        reader = lab.read(lambda tx: _seen.run(lab, tx, flow.plan_run))
        if (reader.code, reader.environment) != (run.code, run.environment):
            raise NotFound(
                f"the code or the environment of {run.run} is not with its pipeline's: it was"
                " made after an edit, or on another machine",
                hint="run the pipeline again, and reproduce what it makes",
            )
        kept = kept_by(lab, reader.run)
        return cls(lab, run, attempt, reader.run, kept, parse(kept.plan))

    def replays(self, act: Act, request: ReproduceRequest) -> TaskReplays:
        """Everything that they start from; that it is read is on record first."""
        lab, step = self.lab, self.plan.steps[self.attempt.step]
        workdir = self.kept.request.workdir
        given = given_to(lab, workdir, step, self.kept.versions or {})
        settings = self.plan.task_of(step.number).settings
        start = Start(
            argv=argv_of(self.kept.request.python),
            workdir=workdir,
            variables=fence.job_environment(request.environment, {"PYTHONHASHSEED": "0"}),
            places={one.view.version.dataset: one.path for one in given.attachment.given},
            memory_bytes=None if settings.memory is None else settings.memory << 20,
            gpus=settings.gpu,
        )
        was = recorded_as(act, self.run, start, self.reader)
        return TaskReplays(
            lab=lab,
            was=replace(was, inputs=tuple(map(self._input, given.attachment.given))),
            host=this_host(request.environment),
            locked=request.locked,
            required=request.required,
            reads=request.reads,
            part=None if was.erased else self._part(act, step, given),
            alone=self.plan.fences_own(step.number),
        )

    def _input(self, one: Attached) -> RunInput:
        version = one.view.version
        where = (version.dataset, version.number, version.root, one.view.part)
        return RunInput(self.run.run, *where)

    def _part(self, act: Act, step: Step, given: Given) -> PartOf:
        lab, run = self.lab, self.run.run
        asked = self.kept.request
        script = Script(asked.file, self.plan.name, asked.chosen)
        sources = lab.read(lambda tx: flows.sources(tx, run))
        return PartOf(
            begun=None,
            inherited=lab.read(lambda tx: inherited(tx, sources)),
            project=lab.read(lambda tx: projects.of_object(tx, _seen.RUN, run)),
            mount=call_mount(script, step.name, self._call(act, step), given),
        )

    def _call(self, act: Act, step: Step) -> Call:
        """The call with the values that it took."""
        results = self._results(act)
        wanted = Wanted(self.attempt.job, self.attempt.tried, step.name, "", {}, ())
        try:
            return results.call(1, wanted)
        except Unreadable as lost:
            raise NotFound(str(lost), hint="run the pipeline again") from lost

    def _results(self, act: Act) -> Results:
        """All that the pipeline's run gave; of what was made twice, what the call took."""
        progress = Progress(self.plan)
        results = Results(self.lab, keying(act), self.plan, progress)
        gave = self.lab.read(self._gave)
        while steps := progress.take():
            for step in steps:
                parts = None if step.over is None else len(results.listed(step.number))
                for job in progress.opened(step.number, parts):
                    if job in gave:
                        results.known[job] = gave[job]
                        progress.succeeded(job, gave[job].truth)
        return results

    def _gave(self, tx: Transaction) -> dict[Job, Result]:
        flow, taken = self.attempt.flow, set(flows.sources(tx, self.run.run))
        rows = [(one.job, one) for one in flows.attempts(tx, flow)]
        rows += flows.taken(tx, flow).items()
        found: dict[Job, Result] = {}
        for job, one in rows:
            if one.value is not None and (job not in found or one.run in taken):
                found[job] = Result(one.run, one.value, bool(one.truth))
        return found
