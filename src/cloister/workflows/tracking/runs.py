"""Tracked runs, as scripts begin, end, find, delete and restore them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from cloister.core.errors import BadInput
from cloister.core.events import Event, Transaction
from cloister.core.ids import RunId
from cloister.policy import Action
from cloister.runs import history
from cloister.runs.identified import Place
from cloister.tracking import experiments as tables
from cloister.tracking import inputs, limits, notes, runs
from cloister.tracking.experiments import ACTIVE, DELETED
from cloister.tracking.inputs import Dataset, DatasetInput
from cloister.tracking.notes import RUN_NAME, Note
from cloister.tracking.runs import TrackedRun
from cloister.tracking.search import runs as searching
from cloister.tracking.search.pages import Page, Window
from cloister.workflows.lab import Act
from cloister.workflows.tracking import marks, seen
from cloister.workflows.tracking.cleaning import Cleaner
from cloister.workflows.tracking.experiments import ensure_default
from cloister.workflows.tracking.marks import Marks
from cloister.workflows.tracking.names import run_name
from cloister.workflows.tracking.recording import Pending, now_ms, one, record
from cloister.workflows.tracking.seen import SeenRun
from cloister.workflows.tracking.visit import Visit

MOST_A_PAGE = 50_000
_MOST_EXPERIMENTS = 5000


@dataclass(frozen=True, slots=True)
class NewRun:
    """What a client says of a run that it begins."""

    experiment: str
    started_ms: int = 0
    name: str = ""
    user_id: str = ""
    tags: tuple[Note, ...] = ()


def create(visit: Visit, new: NewRun) -> SeenRun:
    """A run that is on record when this returns.

    Begun inside a fence it belongs to that run, whose dataset versions become its inputs.
    Raises NotFound, BadInput for a deleted experiment or a tag that is refused.
    """
    return pending(visit, new).record()


def pending(visit: Visit, new: NewRun) -> Pending[SeenRun]:
    """What `create` records; raises BadInput at once for a tag that is refused."""
    act = visit.act(Action.RUN)
    said = _name_of(visit, new)
    notes.check_tags([*new.tags, Note(RUN_NAME, said)])
    cleaner = Cleaner(visit)
    named_so = said == visit.fenced  # the id of the job that it is in is nobody's
    name = said if named_so else cleaner.text(Place.NAME, said)
    given_tags = cleaner.notes(Place.TAG, new.tags)
    tags = [*notes.last_of_each([*given_tags, Note(RUN_NAME, name)])]
    limits.check_text(new.user_id, "user_id", limits.KEY_CHARS)
    user_id = cleaner.text(Place.NAME, new.user_id)
    limits.check_time(new.started_ms, "start_time")
    if not new.experiment or new.experiment == str(tables.DEFAULT):
        ensure_default(visit, act)
    run = visit.lab.randomness(16).hex()

    def change(tx: Transaction) -> tuple[list[Event], SeenRun]:
        home = seen.experiment(visit, tx, new.experiment)
        if home.stage != ACTIVE:
            raise BadInput(
                f"The experiment {home.number} must be in the 'active' state."
                f" Current state is {home.stage}."
            )
        body = {
            "artifacts": f"{home.artifacts}/{run}/artifacts",
            "experiment": home.number,
            "name": name,
            "project": home.project,
            "run": visit.fenced,
            "started_ms": new.started_ms,
            "tags": [list(tag) for tag in tags],
            "tracked": run,
            "user_id": user_id,
        }
        given = _given(tx, visit.fenced)
        events = one(act, "tracked.begun", body)
        if given:
            events.append(act.event("tracked.given", inputs.body(run, home.number, given)))
        its = marks.of_fenced(tx, [visit.fenced])[visit.fenced]
        return [*events, *cleaner.events(act, run)], _fresh(body, tags, given, its)

    return Pending(act, change)


def _fresh(
    body: dict[str, object], tags: list[Note], given: list[DatasetInput], its: Marks
) -> SeenRun:
    """The run as it is on record once ``body`` is."""
    fields = {key: body[key] for key in TrackedRun._fields if key in body}
    fields |= {"run": body["tracked"], "fenced": body["run"]}
    begun = TrackedRun(**fields, status="RUNNING", ended_ms=None, stage=ACTIVE)  # type: ignore[arg-type]
    read = inputs.Inputs(given, [], []) if given else None
    return SeenRun(begun, (), (), sorted(tags), read, its)


def _name_of(visit: Visit, new: NewRun) -> str:
    tagged = dict(new.tags).get(RUN_NAME, "")
    if new.name and tagged and new.name != tagged:
        raise BadInput(
            "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with"
            " different values"
        )
    return new.name or tagged or run_name(visit.lab.randomness)


def _given(tx: Transaction, fenced: RunId | None) -> list[DatasetInput]:
    """The dataset versions that the fenced run was given."""
    if fenced is None:
        return []
    return [
        DatasetInput(
            Dataset(
                name=one.dataset,
                digest=one.root[:36],
                source_type="cloister",
                source=f"{one.dataset}@{one.number}",
            ),
            (Note(inputs.CONTEXT, one.part or "all"),),
        )
        for one in history.inputs(tx, fenced)
    ]


def get(visit: Visit, run: str) -> SeenRun:
    """The run of that id, deleted or not; raises NotFound."""
    visit.act(Action.LIST)
    return visit.lab.read(lambda tx: seen.with_everything(tx, [seen.run(visit, tx, run)])[0])


def update(
    visit: Visit,
    run: str,
    status: str | None = None,
    ended_ms: int | None = None,
    name: str | None = None,
) -> TrackedRun:
    """The run with another status, end or name; raises NotFound, BadInput."""
    act = visit.act(Action.RUN)
    if status is not None and status not in runs.STATUSES:
        raise BadInput(f"Invalid status: expected one of {', '.join(runs.STATUSES)}")
    if ended_ms is not None:
        limits.check_time(ended_ms, "end_time")
    if name:
        notes.check_tags([Note(RUN_NAME, name)])
    cleaner = Cleaner(visit)
    name = cleaner.text(Place.NAME, name or "")

    def change(tx: Transaction) -> tuple[list[Event], TrackedRun]:
        found = seen.active_run(visit, tx, run)
        events = updated(act, run, status=status, ended_ms=ended_ms, name=name or None)
        events += cleaner.events(act, run)
        changed = {"status": status, "ended_ms": ended_ms, "name": name or None}
        return events, found._replace(**{k: v for k, v in changed.items() if v is not None})  # type: ignore[arg-type]

    return record(act, change)


def updated(act: Act, run: str, **changed: str | int | None) -> list[Event]:
    """The event that changes what is known of a run."""
    nothing = {"ended_ms": None, "name": None, "status": None}
    return one(act, "tracked.updated", nothing | changed | {"tracked": run})


def delete(visit: Visit, run: str) -> None:
    """Deletes it, until it is restored or purged; raises NotFound."""
    _stage(visit, run, DELETED)


def restore(visit: Visit, run: str) -> None:
    """Brings it back; raises NotFound."""
    _stage(visit, run, ACTIVE)


def _stage(visit: Visit, run: str, stage: str) -> None:
    act = visit.act(Action.RUN)

    def change(tx: Transaction) -> tuple[list[Event], None]:
        found = seen.run(visit, tx, run)
        if found.stage == stage:
            return [], None
        body = {"stage": stage, "time_ms": now_ms(visit.lab), "tracked": run}
        return one(act, "tracked.staged", body), None

    record(act, change)


def search(  # noqa: PLR0913, PLR0917 - as many as the interface has
    visit: Visit,
    experiments: Sequence[str],
    filter_string: str = "",
    view: str = "ACTIVE_ONLY",
    most: int = 1000,
    order_by: Sequence[str] = (),
    page_token: str | None = None,
) -> Page[SeenRun]:
    """One page of the runs that match, with all that was logged of them; raises BadInput."""
    visit.act(Action.LIST)
    limits.check_count("experiment ids", len(experiments), _MOST_EXPERIMENTS)
    numbers = [limits.experiment_number(number) for number in experiments]
    window = Window.asked(most, page_token, MOST_A_PAGE)
    filter_string = Cleaner(visit).text(Place.NAME, filter_string)

    def query(tx: Transaction) -> Page[SeenRun]:
        found = searching.search(
            tx,
            seen.visible(visit, tx, numbers),
            seen.STAGES[view],
            filter_string,
            order_by,
            window.bounds,
            seen.runs_within(visit),
        )
        return window.page(found, partial(seen.with_everything, tx))

    return visit.lab.read(query)
