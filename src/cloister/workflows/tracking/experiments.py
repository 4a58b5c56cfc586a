"""Experiments, as clients make, find, tag, delete and restore them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from cloister.core.errors import BadInput, Conflict, NotFound
from cloister.core.events import Event, Transaction
from cloister.identity.projects import SHARED
from cloister.policy import Action, Resource
from cloister.runs.identified import Place
from cloister.tracking import experiments, inputs, limits
from cloister.tracking.experiments import ACTIVE, DEFAULT, DEFAULT_NAME, DELETED, Experiment
from cloister.tracking.inputs import Summary
from cloister.tracking.notes import Note
from cloister.tracking.search import experiments as searching
from cloister.tracking.search.pages import Page, Window
from cloister.workflows.lab import Act
from cloister.workflows.tracking import seen
from cloister.workflows.tracking.cleaning import Cleaner
from cloister.workflows.tracking.recording import now_ms, one, record
from cloister.workflows.tracking.seen import SeenExperiment
from cloister.workflows.tracking.visit import Visit

_MOST_A_PAGE = 50_000
_MOST_SUMMARISED = 20


def create(visit: Visit, name: str, tags: Sequence[Note] = ()) -> str:
    """The id of a new experiment; raises Conflict where the name is taken, deleted or not.

    Artifacts always go through this server, so that they are sealed: an address that a
    client proposes for them is not used.
    """
    act = visit.act(Action.RUN)
    limits.check_experiment_name(name)
    for tag in tags:
        experiments.check_tag(*tag)
    cleaner = Cleaner(visit)
    name, tags = cleaner.text(Place.NAME, name), cleaner.notes(Place.TAG, tags)

    def change(tx: Transaction) -> tuple[list[Event], str]:
        project = visit.project
        begun = _default(visit, act, tx)
        visit.act(Action.RUN, Resource("experiment", "", project))
        if name == DEFAULT_NAME or any(
            found.project == project for found in experiments.named(tx, name)
        ):
            raise Conflict(
                "an experiment of this name already exists, perhaps a deleted one",
                hint="use it, or restore it, or choose another name",
            )
        number = experiments.next_number(tx) + (begun != [] and project != SHARED)
        body = _body(visit, number, project, name) | {"tags": [*map(list, dict(tags).items())]}
        said = cleaner.events(act, named_here(number))
        return [*begun, act.event("experiment.created", body), *said], str(number)

    return record(act, change)


def get(visit: Visit, number: str) -> SeenExperiment:
    """The experiment of that id, deleted or not; raises NotFound."""
    ensure_default(visit, visit.act(Action.LIST))
    return visit.lab.read(
        lambda tx: seen.with_tags(tx, [seen.experiment(visit, tx, number)])[0]
    )


def named(visit: Visit, name: str) -> SeenExperiment:
    """The experiment of that name, deleted or not; raises NotFound."""
    ensure_default(visit, visit.act(Action.LIST))
    name = Cleaner(visit).text(Place.NAME, name)

    def query(tx: Transaction) -> SeenExperiment:
        found = [
            known for known in experiments.named(tx, name) if seen.shares(visit, tx, known)
        ]
        if not found:
            raise NotFound("Could not find experiment with that name")
        # Of two projects' experiments of one name that where new ones belong.
        found.sort(key=lambda known: known.project != visit.project)
        return seen.with_tags(tx, found[:1])[0]

    return visit.lab.read(query)


def search(
    visit: Visit,
    view: str = "ACTIVE_ONLY",
    most: int = 1000,
    filter_string: str = "",
    order_by: Sequence[str] = (),
    page_token: str | None = None,
) -> Page[SeenExperiment]:
    """One page of the experiments that match; raises BadInput for a filter that is none."""
    ensure_default(visit, visit.act(Action.LIST))
    window = Window.asked(most, page_token, _MOST_A_PAGE)
    filter_string = Cleaner(visit).text(Place.NAME, filter_string)

    def query(tx: Transaction) -> Page[SeenExperiment]:
        found = searching.search(
            tx,
            seen.STAGES[view],
            filter_string,
            order_by,
            window.bounds,
            seen.experiments_within(visit),
        )
        return window.page(found, partial(seen.with_tags, tx))

    return visit.lab.read(query)


def rename(visit: Visit, number: str, name: str) -> None:
    """Gives it another name; raises NotFound, Conflict, BadInput where it is deleted."""
    act = visit.act(Action.RUN)
    limits.check_experiment_name(name)
    cleaner = Cleaner(visit)
    name = cleaner.text(Place.NAME, name)

    def change(tx: Transaction) -> tuple[list[Event], None]:
        found = seen.own_experiment(visit, tx, number)
        if found.stage != ACTIVE:
            raise BadInput("Cannot rename a non-active experiment.")
        if DEFAULT_NAME in {name, found.name}:
            raise BadInput("the default experiment, which clients look for, keeps its name")
        others = [
            known for known in experiments.named(tx, name) if known.number != found.number
        ]
        if any(known.project == found.project for known in others):
            raise Conflict("an experiment of this name already exists")
        body = {"experiment": found.number, "name": name, "time_ms": now_ms(visit.lab)}
        said = cleaner.events(act, named_here(found.number))
        return [*one(act, "experiment.renamed", body), *said], None

    record(act, change)


def delete(visit: Visit, number: str) -> None:
    """Deletes it and its runs, until they are restored or purged; raises NotFound."""
    _stage(visit, number, ACTIVE, DELETED)


def restore(visit: Visit, number: str) -> None:
    """Brings it and its runs back; raises NotFound."""
    _stage(visit, number, DELETED, ACTIVE)


def _stage(visit: Visit, number: str, before: str, after: str) -> None:
    act = visit.act(Action.RUN)

    def change(tx: Transaction) -> tuple[list[Event], None]:
        found = seen.own_experiment(visit, tx, number)
        if found.stage != before:
            raise NotFound(f"No {before} experiment with id={found.number} exists")
        body = {"experiment": found.number, "stage": after, "time_ms": now_ms(visit.lab)}
        return one(act, "experiment.staged", body), None

    record(act, change)


def set_tag(visit: Visit, number: str, name: str, value: str) -> None:
    """Sets one tag, from inside a fence too; raises NotFound, BadInput where it is deleted."""
    act = visit.act(Action.RUN)
    experiments.check_tag(name, value)
    cleaner = Cleaner(visit)
    ((name, value),) = cleaner.notes(Place.TAG, [Note(name, value)])

    def change(tx: Transaction) -> tuple[list[Event], None]:
        found = _active(seen.experiment(visit, tx, number, Action.RUN))
        body = {"experiment": found.number, "name": name, "value": value}
        said = cleaner.events(act, named_here(found.number))
        return [*one(act, "experiment.tagged", body), *said], None

    record(act, change)


def remove_tag(visit: Visit, number: str, name: str) -> None:
    """Takes one tag off; raises NotFound, BadInput where the experiment is deleted."""
    act = visit.act(Action.RUN)
    name = Cleaner(visit).text(Place.TAG, name)

    def change(tx: Transaction) -> tuple[list[Event], None]:
        found = _active(seen.own_experiment(visit, tx, number))
        tags = experiments.tags(tx, [found.number])[found.number]
        if name not in {tag.name for tag in tags}:
            raise NotFound(f"No tag of that name in experiment with id {found.number}")
        body = {"experiment": found.number, "name": name}
        return one(act, "experiment.untagged", body), None

    record(act, change)


def _active(found: Experiment) -> Experiment:
    if found.stage != ACTIVE:
        raise BadInput(
            f"The experiment {found.number} must be in the 'active' state."
            f" Current state is {found.stage}."
        )
    return found


def datasets(visit: Visit, numbers: Sequence[str]) -> list[Summary]:
    """What runs of these experiments were given; raises BadInput for none, or too many."""
    visit.act(Action.LIST)
    if not 0 < len(numbers) <= _MOST_SUMMARISED:
        raise BadInput(
            "SearchDatasets request must specify at least one experiment_id, and at most"
            f" {_MOST_SUMMARISED}"
        )
    asked = [limits.experiment_number(number) for number in numbers]
    return visit.lab.read(
        lambda tx: inputs.summaries(tx, seen.visible(visit, tx, asked), visit.fenced)
    )


def ensure_default(visit: Visit, act: Act) -> None:
    """The experiment that every client expects, made when the first of them asks.

    Members who do not see what everybody shares have one of their own project.
    """
    if not visit.lab.read(lambda tx: _has_default(visit, tx)):
        record(act, lambda tx: (_default(visit, act, tx), None))


def _has_default(visit: Visit, tx: Transaction) -> bool:
    named = experiments.named(tx, DEFAULT_NAME)
    return any(one.project == visit.project for one in named)


def _default(visit: Visit, act: Act, tx: Transaction) -> list[Event]:
    if _has_default(visit, tx):
        return []
    project = visit.project
    number = DEFAULT if project == SHARED else experiments.next_number(tx)
    body = _body(visit, number, project, DEFAULT_NAME) | {"tags": []}
    return one(act, "experiment.created", body)


def _body(visit: Visit, number: int, project: str, name: str) -> dict[str, object]:
    return {
        "artifacts": f"mlflow-artifacts:/{number}",
        "experiment": number,
        "name": name,
        "project": project,
        "time_ms": now_ms(visit.lab),
    }


def named_here(number: int) -> str:
    """An experiment, as a finding names it."""
    return f"experiment {number}"
