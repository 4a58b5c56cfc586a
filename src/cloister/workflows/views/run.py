"""One run: what the fence tells of it, and what its script tracked."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from cloister.core.errors import CloisterError, NotFound
from cloister.core.events import Transaction
from cloister.core.ids import RunId
from cloister.core.values import FenceReport
from cloister.datasets import versions
from cloister.identity import people
from cloister.keys.seal import open_field
from cloister.models import registry
from cloister.models.registry import Model
from cloister.policy import Action
from cloister.runs import command, history, identified, links, tainted
from cloister.runs.history import Run
from cloister.runs.identified import Identified
from cloister.runs.links import Compared, Link
from cloister.tracking import experiments, notes, points
from cloister.tracking import inputs as described
from cloister.tracking import runs as tracked_runs
from cloister.tracking.inputs import DatasetInput
from cloister.tracking.notes import Note
from cloister.tracking.runs import TrackedRun
from cloister.workflows import _seen
from cloister.workflows._stopped import as_ended
from cloister.workflows.lab import Lab
from cloister.workflows.tracking import seen
from cloister.workflows.tracking.visit import Visit
from cloister.workflows.unseal import open_keys
from cloister.workflows.views._moments import moment
from cloister.workflows.views.runs import data_name

MOST_TRACKED = 100
MOST_NOTES = 500


@dataclass(frozen=True, slots=True)
class Given:
    """A dataset version that a run was given."""

    name: str
    dataset: str
    number: int
    part: str
    root: str
    records: int
    subjects: int
    """Of the whole version: a part of it has fewer."""


@dataclass(frozen=True, slots=True)
class Started:
    """How it was started, for those who may read data: arguments may name patients."""

    command: str = field(repr=False)
    folder: str | None = field(repr=False)
    memory_bytes: int | None


@dataclass(frozen=True, slots=True)
class Fenced:
    """What the fence tells of a run."""

    run: RunId
    who: str
    state: str
    started: str
    ended: str | None
    exit_status: int | None
    start: Started | None
    """None where the actor may not read, or the key was destroyed."""
    inputs: tuple[Given, ...]
    fence: FenceReport | None
    settings: tuple[Note, ...]
    code: str
    environment: str
    models: tuple[Model, ...]
    tainted: bool
    attested: bool
    origin: Link | None
    followers: tuple[Link, ...]
    verdicts: tuple[Compared, ...]
    """Oldest first."""


@dataclass(frozen=True, slots=True)
class Tracked:
    """What a script tells of a run."""

    run: str
    name: str
    experiment: str
    state: str
    user: str
    started: str | None
    ended: str | None
    deleted: bool
    params: tuple[Note, ...] = field(repr=False)
    tags: tuple[Note, ...] = field(repr=False)
    metrics: int
    data: tuple[DatasetInput, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class RunPage:
    """Both sides of one run."""

    run: str
    fenced: Fenced | None
    """None where no fence was around it."""
    tracked: tuple[Tracked, ...]
    """Of a run of the fence all that it tracked, oldest first; of a tracked run itself."""
    tracked_total: int
    findings: tuple[Identified, ...]


def page(lab: Lab, name: str) -> RunPage:
    """The run of that id, tracked or of the fence; raises NotFound."""
    lab.act(Action.LIST)
    visit = Visit(lab)

    def query(tx: Transaction) -> tuple[Run | None, RunPage]:
        run, mine = both_sides(visit, tx, name)
        shown = mine[:MOST_TRACKED]
        ids = [one.run for one in shown] + ([run.run] if run else [])
        made = RunPage(
            run=run.run if run and name not in ids else name,
            fenced=_fenced(tx, run) if run else None,
            tracked=tuple(_tracked(tx, one) for one in shown),
            tracked_total=len(mine),
            findings=tuple(found for one in ids for found in identified.of_run(tx, one)),
        )
        return run, made

    run, made = lab.read(query)
    if run is None or made.fenced is None or not lab.may(Action.READ):
        return made
    return replace(made, fenced=replace(made.fenced, start=started(lab, run)))


def both_sides(visit: Visit, tx: Transaction, name: str) -> tuple[Run | None, list[TrackedRun]]:
    """The run of the fence, and the tracked runs that ``name`` means; raises NotFound.

    A run of the fence means all that it tracked; a tracked run itself, and the fence around it
    where the caller sees that too.
    """
    if name == "last" or name.startswith(f"{RunId.prefix}_"):
        run = _seen.run(visit.lab, tx, name)
        mine = tracked_runs.of_fenced(tx, run.run)
        return run, [one for one in mine if seen.sees(visit, one)]
    found = seen.run(visit, tx, name)
    if found.fenced is None:
        return None, [found]
    try:
        return _seen.run(visit.lab, tx, found.fenced), [found]
    except NotFound:  # its experiment is seen, the run around it is another project's
        return None, [found]


def _fenced(tx: Transaction, run: Run) -> Fenced:
    who = people.by_id(tx, run.actor)
    return Fenced(
        run=run.run,
        who=who.name if who else run.actor,
        state=as_ended(tx, [run])[0].state,
        started=run.started,
        ended=run.finished,
        exit_status=run.exit_status,
        start=None,
        inputs=tuple(_given(tx, one) for one in history.inputs(tx, run.run)),
        fence=history.fence_report(run.fence) if run.fence else None,
        settings=tuple(Note(*pair) for pair in sorted(history.settings(run).items())),
        code=run.code,
        environment=run.environment,
        models=tuple(registry.of_run(tx, run.run)),
        tainted=bool(tainted.operations(tx, run.run) or registry.taints(tx, run.run)),
        attested=registry.envelope(tx, run.run) is not None,
        origin=links.link_of(tx, run.run),
        followers=tuple(links.came_of(tx, run.run)),
        verdicts=tuple(links.verdicts(tx, run.run)),
    )


def _given(tx: Transaction, one: history.RunInput) -> Given:
    version = versions.resolve(tx, f"{one.dataset}@{one.number}")
    return Given(
        data_name(one), one.dataset, one.number, one.part, one.root, version.records,
        version.subjects,
    )  # fmt: skip


def _tracked(tx: Transaction, run: TrackedRun) -> Tracked:
    said = described.of_runs(tx, [run.run]).get(run.run)
    _, metrics = points.series_of(tx, run.run, "", (0, 0))
    return Tracked(
        run=run.run,
        name=run.name,
        experiment=experiments.find(tx, run.experiment).name,
        state=run.status.lower(),
        user=run.user_id,
        started=moment(run.started_ms),
        ended=moment(run.ended_ms),
        deleted=run.stage == experiments.DELETED,
        params=_notes(notes.params(tx, [run.run])),
        tags=_notes(notes.tags(tx, [run.run])),
        metrics=metrics,
        data=tuple(said.datasets) if said else (),
    )


def _notes(rows: Sequence[tuple[str, str, str]]) -> tuple[Note, ...]:
    return tuple(Note(name, value) for _, name, value in rows[:MOST_NOTES])


def started(lab: Lab, run: Run) -> Started | None:
    """How ``run`` was started; None where its key was destroyed or is locked away."""
    try:
        key = open_keys(lab, [run.key]).get(run.seal)
        if key is None:
            return None
        plain = open_field(key, command.PURPOSE, run.command, run.run.encode())
        sealed = json.loads(plain)
        words = shlex.join(command.read(plain))
        if "workdir" not in sealed:
            return Started(words, None, None)
        start = command.read_start(plain)
        return Started(words, str(start.workdir), start.memory_bytes)
    except CloisterError:
        return None
