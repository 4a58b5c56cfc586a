"""Pipelines as pages show them: which there are, and one run of one, drawn and timed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cloister.core.errors import NotFound
from cloister.pipelines.history import Attempt, Flow, Reused
from cloister.pipelines.job import WHOLE
from cloister.pipelines.plan import Plan
from cloister.pipelines.standing import Stand
from cloister.pipelines.tasks import PAGE
from cloister.policy import Action
from cloister.workflows.lab import Lab
from cloister.workflows.pipelines import look
from cloister.workflows.pipelines.schedule import Upcoming, schedules
from cloister.workflows.pipelines.stood import Record, record_of

MOST_DRAWN = 150
"""Steps drawn one by one; of a larger pipeline, one node stands for all steps of a task."""
MOST_BARS = 2000
MOST_ATTEMPTS = 200
_RECENT = 12


@dataclass(frozen=True, slots=True)
class FlowLine:
    """One run of a pipeline."""

    flow: str
    pipeline: str
    state: str
    steps: int
    reason: str
    due: str | None
    started: str
    finished: str | None
    waiting: str | None
    """Since when it waits for its turn."""
    waits: str | None
    """What for, in words."""


@dataclass(frozen=True, slots=True)
class ScheduleLine:
    """What starts a pipeline by itself."""

    on: tuple[str, ...]
    misfire: str
    next: str | None
    because: str
    """What it waits for, in words."""
    times: tuple[str, ...]
    """The next ones, the first of them ``next``."""
    paused: str | None
    """Since when it is held."""


@dataclass(frozen=True, slots=True)
class PipelineLine:
    """A pipeline that ran, or that is to start by itself."""

    name: str
    runs: int
    recent: tuple[FlowLine, ...]
    """The last ones, newest first."""
    schedule: ScheduleLine | None


@dataclass(frozen=True, slots=True)
class PipelinePage:
    """A pipeline: how it is asked for, and the runs of it."""

    line: PipelineLine
    parameters: Sequence[Mapping[str, Any]]
    """Of the newest run whose plan is there still."""


@dataclass(frozen=True, slots=True)
class Node:
    """A step, or all steps of a task, and how they stand."""

    id: str
    title: str
    task: str
    kind: str
    state: str
    steps: int
    calls: int
    """On record so far: made, or used again."""
    reused: int
    tries: int
    started: str | None
    finished: str | None
    run: str | None
    """Of its last call."""
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """One attempt on the line of time."""

    node: str
    name: str
    run: str
    state: str
    started: str
    finished: str | None


@dataclass(frozen=True, slots=True)
class ResultPage:
    """A page that a task left: its run and its file's name there."""

    step: str
    run: str
    path: str


@dataclass(frozen=True, slots=True)
class FlowPage:
    """One run of a pipeline, whole."""

    line: FlowLine
    worker: str
    parameters: Sequence[Mapping[str, Any]]
    grouped: bool
    """Whether a node stands for all steps of a task."""
    nodes: tuple[Node, ...]
    edges: tuple[tuple[str, str], ...]
    states: Mapping[str, int]
    bars: tuple[Bar, ...]
    pages: tuple[ResultPage, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """One attempt of a step, or one call that was not made again."""

    part: int | None
    tried: int
    state: str
    run: str
    started: str | None
    finished: str | None


@dataclass(frozen=True, slots=True)
class StepPage:
    """One step of one run of a pipeline."""

    step: str
    task: str
    kind: str
    settings: Mapping[str, Any]
    own_fence: bool
    """Whether each of its calls has one."""
    waits: tuple[str, ...]
    datasets: tuple[str, ...]
    attempts: int
    calls: tuple[Call, ...]


def pipelines(lab: Lab) -> list[PipelineLine]:
    """All that ran or are to start by themselves, as far as the actor sees them, by name."""
    lab.act(Action.LIST)
    return _lines(lab, look.flows(lab), schedules(lab))


def pipeline(lab: Lab, name: str) -> PipelinePage:
    """One by its name; raises NotFound."""
    lab.act(Action.LIST)
    flows = [one for one in look.flows(lab) if one.pipeline == name]
    waiting = [one for one in schedules(lab) if one.schedule.pipeline == name]
    if not flows and not waiting:
        raise NotFound("no pipeline of that name", hint="see `cloister pipeline ls`")
    (line,) = _lines(lab, flows, waiting)
    run = flows[0].plan_run if flows else waiting[0].schedule.run
    return PipelinePage(line, look.planned(lab, run).parameters)


def flows(lab: Lab, name: str) -> list[FlowLine]:
    """Every run of one pipeline, newest first."""
    return [_flow(lab, one) for one in look.flows(lab) if one.pipeline == name]


def _lines(lab: Lab, flows: Iterable[Flow], waiting: Iterable[Upcoming]) -> list[PipelineLine]:
    by_name: dict[str, list[Flow]] = {}
    for one in flows:
        by_name.setdefault(one.pipeline, []).append(one)
    upcoming = {one.schedule.pipeline: one for one in waiting}
    return [
        PipelineLine(
            name,
            len(by_name.get(name, [])),
            tuple(_flow(lab, one) for one in by_name.get(name, [])[:_RECENT]),
            _schedule(upcoming[name]) if name in upcoming else None,
        )
        for name in sorted({*by_name, *upcoming})
    ]


def _flow(lab: Lab, one: Flow) -> FlowLine:
    asked = (one.steps, one.reason, one.due)
    times = (one.started, one.finished, one.waiting)
    return FlowLine(one.flow, one.pipeline, one.state, *asked, *times, look.waits(lab, one))


def _schedule(upcoming: Upcoming) -> ScheduleLine:
    one = upcoming.schedule
    assets = [each.what for each in one.triggers if each.kind == "asset"]
    said = [by for _, by in upcoming.times[:1]]
    said += [f"something new in {' or '.join(assets)}"] if assets else []
    on = tuple(map(str, one.triggers))
    times = tuple(time.isoformat() for time, _ in upcoming.times)
    at = times[0] if times else None
    because = ", or ".join(said)
    return ScheduleLine(on, one.misfire, at, because, times, one.paused)


def flow(lab: Lab, name: str) -> FlowPage:
    """One run of a pipeline; raises NotFound, Erased."""
    lab.act(Action.LIST)
    found = look.find(lab, name)
    plan = look.plan_of(lab, found)
    record = lab.read(lambda tx: record_of(tx, found, plan))
    drawn = _Drawing(plan, record)
    nodes = drawn.nodes()
    states: dict[str, int] = {}
    for stand in record.stands:
        states[stand.value] = states.get(stand.value, 0) + 1
    return FlowPage(
        line=_flow(lab, found),
        worker=found.plan_run,
        parameters=plan.parameters,
        grouped=drawn.grouped,
        nodes=nodes,
        edges=drawn.edges(),
        states=states,
        bars=tuple(drawn.bars()),
        pages=tuple(_pages(plan, record)),
    )


def step(lab: Lab, name: str, which: str) -> StepPage:
    """One step of a run of a pipeline, by its name; raises NotFound, Erased."""
    lab.act(Action.LIST)
    found = look.find(lab, name)
    plan = look.plan_of(lab, found)
    here = next((one for one in plan.steps if one.name == which), None)
    if here is None:
        raise NotFound(
            "no step of that name", hint=f"see `cloister pipeline show {found.flow}`"
        )
    record = lab.read(lambda tx: record_of(tx, found, plan))
    made = [one for one in record.attempts if one.step == here.number]
    used = [one for one in record.reused if one.step == here.number]
    calls = [_call(one) for one in made[-MOST_ATTEMPTS:][::-1]]
    calls += [Call(_part(one.part), 0, "reused", one.run, None, None) for one in used]
    task = plan.task_of(here.number)
    return StepPage(
        step=here.name,
        task=task.name,
        kind=task.kind,
        settings=task.settings.plain(),
        own_fence=plan.fences_own(here.number),
        waits=tuple(plan.steps[one].name for one in here.waits[:MOST_ATTEMPTS]),
        datasets=here.datasets,
        attempts=len(made),
        calls=tuple(calls[:MOST_ATTEMPTS]),
    )


def _part(part: int) -> int | None:
    return None if part == WHOLE else part


def _call(one: Attempt) -> Call:
    return Call(_part(one.part), one.tried, one.state, one.run, one.started, one.finished)


def _pages(plan: Plan, record: Record) -> Iterable[ResultPage]:
    """What a task says that it leaves with ``outlets="page:FILE"``."""
    runs = {one.step: one.run for one in record.reused}
    runs |= {one.step: one.run for one in record.attempts}
    for one in plan.steps:
        for outlet in plan.task_of(one.number).settings.outlets:
            done = record.stands[one.number] in {Stand.DONE, Stand.REUSED}
            page = PAGE.fullmatch(outlet)
            if page is not None and done and one.number in runs:
                yield ResultPage(one.name, runs[one.number], page[1])


_LOUD = (
    Stand.FAILED,
    Stand.INTERRUPTED,
    Stand.STOPPED,
    Stand.RUNNING,
    Stand.BLOCKED,
    Stand.WAITING,
    Stand.NOT_BEGUN,
    Stand.DONE,
    Stand.REUSED,
    Stand.LEFT_OUT,
)
"""Which of several states is said of them together: the first that there is."""


class _Drawing:
    """The nodes of a plan, with what the record says of each."""

    def __init__(self, plan: Plan, record: Record) -> None:
        self._plan, self._record = plan, record
        self.grouped = len(plan.steps) > MOST_DRAWN
        self._attempts: dict[int, list[Attempt]] = {}
        for one in record.attempts:
            self._attempts.setdefault(self._at(one.step), []).append(one)
        self._reused: dict[int, list[Reused]] = {}
        for used in record.reused:
            self._reused.setdefault(self._at(used.step), []).append(used)

    def _at(self, step: int) -> int:
        return self._plan.steps[step].task if self.grouped else step

    def nodes(self) -> tuple[Node, ...]:
        """One for each step, or for each task."""
        stands: dict[int, list[Stand]] = {}
        for number, stand in enumerate(self._record.stands):
            stands.setdefault(self._at(number), []).append(stand)
        return tuple(self._node(number, of) for number, of in stands.items())

    def _node(self, number: int, stands: Sequence[Stand]) -> Node:
        task = self._plan.tasks[number] if self.grouped else self._plan.task_of(number)
        made, used = self._attempts.get(number, []), self._reused.get(number, [])
        calls = {one.job for one in made} | {one.job for one in used}
        ends = [one.finished for one in made]
        return Node(
            id=str(number),
            title=task.name if self.grouped else self._plan.steps[number].name,
            task=task.name,
            kind=task.kind,
            state=next(one for one in _LOUD if one in stands).value,
            steps=len(stands),
            calls=len(calls),
            reused=len(used),
            tries=max((one.tried + 1 for one in made), default=0),
            started=min((one.started for one in made), default=None),
            finished=None if None in ends else max(map(str, ends), default=None),
            run=made[-1].run if made else used[-1].run if used else None,
            notes=() if self.grouped else self._plan.steps[number].datasets,
        )

    def edges(self) -> tuple[tuple[str, str], ...]:
        """Who waits for whom."""
        found = {
            (self._at(before), self._at(one.number))
            for one in self._plan.steps
            for before in one.waits
        }
        return tuple((str(one), str(other)) for one, other in sorted(found) if one != other)

    def bars(self) -> Iterable[Bar]:
        """Attempts on the line of time, the newest where there are too many."""
        for one in self._record.attempts[-MOST_BARS:]:
            name = one.job.named(self._plan.steps[one.step].name)
            yield Bar(
                str(self._at(one.step)), name, one.run, one.state, one.started, one.finished
            )
