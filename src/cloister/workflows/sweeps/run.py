"""Sweep: a search for good parameters, each trial a run in the fence; or go on with one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from cloister.core.encoding import to_text
from cloister.core.errors import BadInput, NotFound
from cloister.core.events import Transaction
from cloister.core.ids import CollectionId, SweepId
from cloister.core.values import LOCAL
from cloister.keys.seal import seal_field
from cloister.keys.values import GrantRequest
from cloister.policy import Action
from cloister.sweeps import history
from cloister.sweeps.command import PROGRAM, command, from_outside
from cloister.sweeps.definition import Definition, parse
from cloister.sweeps.history import Sweep
from cloister.sweeps.search import searching
from cloister.tracking import limits
from cloister.tracking.experiments import DELETED
from cloister.tracking.notes import Note
from cloister.workflows.lab import Act, Lab
from cloister.workflows.queue.submit import settled
from cloister.workflows.runs._attaching import attach
from cloister.workflows.runs.run import RunRequest
from cloister.workflows.sweeps import _seen
from cloister.workflows.sweeps._controller import Controller
from cloister.workflows.sweeps._going import Best, Doing, Moment
from cloister.workflows.sweeps._plan import (
    SWEEP,
    Plan,
    for_trials,
    object_key,
    plan_of,
    told_of,
)
from cloister.workflows.sweeps._spots import Spots
from cloister.workflows.tracking import experiments
from cloister.workflows.tracking import runs as tracked
from cloister.workflows.tracking.log import log
from cloister.workflows.tracking.recording import now_ms
from cloister.workflows.tracking.visit import Visit

__all__ = [
    "Best",
    "Doing",
    "Moment",
    "SweepReport",
    "SweepRequest",
    "resume_sweep",
    "run_sweep",
]

_STATES = {
    "failures": "failed",
    "asked": "stopped",
    "count": "stopped",
    "away": "interrupted",
}
_STATUSES = {"finished": "FINISHED", "failed": "FAILED"}


@dataclass(frozen=True, slots=True)
class SweepRequest:
    """A sweep file, and what its trials have in common."""

    text: str = field(repr=False)
    template: RunRequest
    """All of a run but its command."""
    interpreter: str
    name: str
    """What it is called where the file does not say."""
    seed: int = 0
    project: str | None = None


@dataclass(frozen=True, slots=True)
class SweepReport:
    """How it stands when nobody is at it any more."""

    sweep: SweepId
    state: str
    why: str
    counts: Mapping[str, int]
    """Trials by how they ended."""
    best: Best | None
    metric: str | None
    experiment: int
    parent: str


def run_sweep(
    lab: Lab, request: SweepRequest, doing: Doing, said: Callable[[SweepId], None]
) -> SweepReport:
    """Tries until the file's `run_cap`, its target or its grid is at an end, or it is stopped.

    Every trial is a run of its own, on record before it begins; killed at any moment,
    ``resume_sweep`` goes on. All trials are given the versions of the data that are the
    newest now. Raises BadInput for the file, NotFound, also where none of the machines that
    ``doing`` names answers, and NotAllowed.
    """
    act = lab.act(Action.RUN)
    definition = parse(request.text)
    _require_program(definition, request.template)
    spots = _spots(lab, doing, doing.on, request.template)
    sweep = SweepId.new(lab.randomness)
    with lab.alone(sweep):
        words = from_outside(definition.command, request.template.environment)
        sample = _sample(lab, definition, words, request)
        other = next((one for one in doing.on if one != LOCAL), None)
        submission = settled(lab, replace(sample, on=other), request.project)
        template = replace(sample, argv=words)
        owner = lab.keys.new_owner(CollectionId)
        grant = lab.keys.grants([GrantRequest(owner)])[0].key
        visit = _visit(lab, submission.place)
        name = definition.name or request.name
        number = _experiment(visit, definition.project or name)
        plan = Plan(
            request.text,
            for_trials(template, number),
            request.interpreter,
            name,
            request.project,
            doing.on,
        )
        parent = _parent(visit, number, name, sweep)
        sealed = seal_field(grant.object_key, history.DEFINITION, plan.pack(), sweep.encode())
        body = {
            "definition": to_text(sealed),
            "experiment": int(number),
            "owner": owner,
            "parent": parent,
            "project": submission.place,
            "seal": to_text(grant.seal_id),
            "seed": request.seed,
            "sweep": sweep,
            "wrap": to_text(grant.wrap),
        }
        act.record([act.event("sweep.begun", body)])
        said(sweep)
        return _control(act, sweep, doing, spots)


def resume_sweep(lab: Lab, name: str, doing: Doing) -> SweepReport:
    """Goes on with one that was interrupted or stopped; no trial that ended is run again.

    Its trials run where they ran, or where ``doing`` says. Raises NotFound, also where none
    of those machines answers, BadInput for one that is finished or whose tracked runs were
    deleted, Conflict while another process is at it.
    """
    act = lab.act(Action.RUN)
    found = _seen.sweep(lab, name, Action.RUN)
    with lab.alone(found.sweep):
        if _seen.sweep(lab, found.sweep, Action.RUN).state == "finished":
            raise BadInput(f"{found.sweep} is finished: there is nothing to go on with")
        _require_tracked(_visit(lab, found.project), found)
        plan = plan_of(found, object_key(lab, found))
        spots = _spots(lab, doing, doing.on or plan.on, plan.template)
        act.record([act.event("sweep.resumed", {"sweep": found.sweep})])
        tracked.update(_visit(lab, found.project), found.parent, "RUNNING")
        return _control(act, found.sweep, doing, spots)


def close(act: Act, sweep: str, state: str = "interrupted", why: str = "killed") -> bool:
    """Puts on record that nobody is at it any more; False if it has ended."""

    def write(tx: Transaction) -> bool:
        if history.find(tx, sweep).state != history.RUNNING:
            return False
        body = {"state": state, "sweep": sweep, "why": why}
        act.lab.ledger.append(tx, [act.event("sweep.ended", body)])
        return True

    return act.lab.database.write(write)


def _spots(lab: Lab, doing: Doing, on: Sequence[str], template: RunRequest) -> Spots:
    """Where trials run, once each machine was asked."""
    spots = Spots.of(lab, on, template.wish(), doing)
    spots.gather()
    return spots


def _control(act: Act, name: SweepId, doing: Doing, spots: Spots) -> SweepReport:
    lab = act.lab
    sweep = lab.read(lambda tx: history.find(tx, name))
    key = object_key(lab, sweep)
    plan = plan_of(sweep, key)
    definition = plan.definition
    trials = lab.read(lambda tx: history.trials(tx, name))
    controller = Controller(
        act=act,
        sweep=sweep,
        key=key,
        plan=plan,
        definition=definition,
        submission=settled(lab, plan.template, plan.project),
        search=searching(definition, sweep.seed, told_of(key, trials)),
        spots=spots,
        doing=doing,
        trials=trials,
    )
    try:
        why = controller.finish()
    except BaseException:
        close(act, name, why="asked")
        _end_parent(_visit(lab, sweep.project), sweep, "interrupted", controller)
        raise
    state = _STATES.get(why, "finished")
    close(act, name, state, why)
    _end_parent(_visit(lab, sweep.project), sweep, state, controller)
    return SweepReport(
        sweep=name,
        state=state,
        why=why,
        counts=dict(sorted(controller.counts.items())),
        best=controller.best,
        metric=definition.metric.name if definition.metric else None,
        experiment=sweep.experiment,
        parent=sweep.parent,
    )


def _require_program(definition: Definition, template: RunRequest) -> None:
    """A script that is not there would fail trial after trial."""
    name = definition.program
    if name is None or PROGRAM not in definition.command or not name.endswith(".py"):
        return  # another program may lie on the PATH
    if not (template.workdir / name).is_file():
        raise BadInput(
            f"program: there is no {name} in the working folder",
            hint="paths count from where you are, or from --workdir",
        )


def _sample(
    lab: Lab, definition: Definition, words: tuple[str, ...], request: SweepRequest
) -> RunRequest:
    """One run with a value for each parameter, and the versions of the data that it names."""
    first = {leaf.name: leaf.parameter.at(0) for leaf in definition.space.searched}
    values = definition.space.values(first)
    argv = command(words, definition.program, request.interpreter, values)
    template = request.template
    given = [one.view for one in attach(lab, argv, template.workdir, template.data).given]
    data = tuple(f"{one.version}{':' + one.part if one.part else ''}" for one in given)
    return replace(template, argv=argv, data=data)


def _visit(lab: Lab, project: str) -> Visit:
    """Whoever asked for it, in the project of its data alone: what it tracks belongs there."""
    return Visit(replace(lab, actor=replace(lab.actor, projects=frozenset({project}))))


def _experiment(visit: Visit, name: str) -> str:
    """The number of the experiment of that name, made where there is none."""
    try:
        found = experiments.named(visit, name).experiment
    except NotFound:
        return experiments.create(visit, name)
    if found.stage == DELETED:
        raise BadInput(
            f"the experiment that its trials would be tracked in, {found.number}, was deleted",
            hint=f'restore it in MLflow, MlflowClient().restore_experiment("{found.number}"),'
            " or name another one in the file: `project: NAME`",
        )
    return str(found.number)


def _require_tracked(visit: Visit, sweep: Sweep) -> None:
    """Raises BadInput where what its trials are tracked under was deleted."""
    experiment = str(sweep.experiment)
    if experiments.get(visit, experiment).experiment.stage == DELETED:
        what, way_back = f"experiment {experiment}", f'restore_experiment("{experiment}")'
    else:
        try:
            if tracked.get(visit, sweep.parent).run.stage != DELETED:
                return
        except NotFound:
            raise BadInput(
                f"what {sweep.sweep} tracks was purged, so it cannot go on",
                hint="search anew: `cloister sweep FILE`",
            ) from None
        what, way_back = f"tracked run {sweep.parent}", f'restore_run("{sweep.parent}")'
    raise BadInput(
        f"{sweep.sweep} cannot go on: its {what} was deleted",
        hint=f"restore it in MLflow: MlflowClient().{way_back}",
    )


def _parent(visit: Visit, experiment: str, name: str, sweep: SweepId) -> str:
    """The tracked run that those of all trials are nested in."""
    tags = (Note(SWEEP, sweep),)
    new = tracked.NewRun(experiment, now_ms(visit.lab), name, tags=tags)
    return tracked.create(visit, new).run.run


def _end_parent(visit: Visit, sweep: Sweep, state: str, controller: Controller) -> None:
    """Shows the best trial where the sweep itself is shown; nothing where that was deleted."""
    best, metric = controller.best, controller.definition.metric
    if best is not None and metric is not None:
        tags = [
            Note("cloister.best_run", best.run),
            Note(f"best.{metric.name}"[: limits.KEY_CHARS], repr(best.value)),
            *(
                Note(f"best.{name}"[: limits.KEY_CHARS], str(value)[: limits.TAG_CHARS])
                for name, value in best.values.items()
            ),
        ]
        with suppress(BadInput):
            log(visit, sweep.parent, tags=tags)
    status = _STATUSES.get(state, "KILLED")
    with suppress(BadInput):
        tracked.update(visit, sweep.parent, status, now_ms(visit.lab))
