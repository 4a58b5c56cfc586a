"""Logged models, as scripts make, complete, describe, find and delete them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from cloister.core.errors import BadInput, NotFound
from cloister.core.events import Event, Transaction
from cloister.policy import Action
from cloister.runs.identified import Place
from cloister.tracking import limits, logged_models, notes, points
from cloister.tracking.experiments import ACTIVE
from cloister.tracking.logged_models import LoggedModel, Measured
from cloister.tracking.notes import Note
from cloister.tracking.search import logged_models as searching
from cloister.tracking.search.logged_models import By, On
from cloister.tracking.search.pages import Page, Window
from cloister.workflows.lab import Act
from cloister.workflows.tracking import holders, seen
from cloister.workflows.tracking import marks as marking
from cloister.workflows.tracking.artifacts import removals
from cloister.workflows.tracking.cleaning import Cleaner
from cloister.workflows.tracking.experiments import ensure_default
from cloister.workflows.tracking.marks import Marks
from cloister.workflows.tracking.names import run_name
from cloister.workflows.tracking.recording import now_ms, one, record
from cloister.workflows.tracking.visit import Visit

MOST_A_PAGE = 1000


@dataclass(frozen=True, slots=True)
class NewModel:
    """What a client says of a model that it begins to log."""

    experiment: str
    name: str = ""
    kind: str = ""
    source_run: str = ""
    params: tuple[Note, ...] = ()
    tags: tuple[Note, ...] = ()


class SeenModel(NamedTuple):
    """A model and everything that is said of it."""

    model: LoggedModel
    params: Sequence[Note]
    tags: Sequence[Note]
    metrics: Sequence[Measured]
    marks: Marks = Marks()


def create(visit: Visit, new: NewModel) -> SeenModel:
    """A model whose files may now be logged; on record when this returns.

    Raises NotFound for a run that is not there, BadInput for a name that is refused.
    """
    act = visit.act(Action.RUN)
    cleaner = Cleaner(visit)
    name = cleaner.text(Place.NAME, new.name or run_name(visit.lab.randomness))
    logged_models.check_name(name)
    limits.check_text(new.kind, "model_type", limits.EXPERIMENT_NAME_CHARS)
    _check(new.params, new.tags)
    params = cleaner.notes(Place.PARAM, new.params)
    tags = notes.last_of_each(cleaner.notes(Place.TAG, new.tags))
    if not new.experiment or new.experiment == "0":
        ensure_default(visit, act)
    model = f"m-{visit.lab.randomness(16).hex()}"

    def change(tx: Transaction) -> tuple[list[Event], SeenModel]:
        home = seen.experiment(visit, tx, new.experiment, Action.RUN)
        if home.stage != ACTIVE:
            raise BadInput(f"The experiment {home.number} must be in the 'active' state.")
        if new.source_run:
            seen.run(visit, tx, new.source_run, Action.RUN)
        body = {
            "artifacts": f"{home.artifacts}/models/{model}/artifacts",
            "experiment": home.number,
            "kind": cleaner.text(Place.NAME, new.kind),
            "model": model,
            "name": name,
            "params": [list(note) for note in params],
            "project": home.project,
            "run": visit.fenced,
            "source_run": new.source_run,
            "tags": [list(note) for note in tags],
            "time_ms": now_ms(visit.lab),
        }
        made = LoggedModel(
            *(model, home.number, home.project, visit.fenced, name, str(body["kind"])),
            *(new.source_run, logged_models.PENDING, str(body["artifacts"]), ACTIVE),
            *(body["time_ms"], body["time_ms"]),  # type: ignore[arg-type]
        )
        told = one(act, "logged.created", body)
        its = marking.of_fenced(tx, [visit.fenced])[visit.fenced]
        return [*told, *cleaner.events(act, model)], SeenModel(made, params, tags, (), its)

    return record(act, change)


def get(visit: Visit, model: str, *, deleted: bool = False) -> SeenModel:
    """The model of that id; raises NotFound, for a deleted one unless ``deleted``."""
    visit.act(Action.LIST)

    def query(tx: Transaction) -> SeenModel:
        found = holders.model(visit, tx, model, Action.LIST)
        if found.stage != ACTIVE and not deleted:
            raise NotFound(f"Logged model with ID '{model}' not found.")
        return whole(tx, [found])[0]

    return visit.lab.read(query)


def whole(tx: Transaction, found: Sequence[LoggedModel]) -> list[SeenModel]:
    """These models, in their order, with everything that is said of them."""
    names = [each.model for each in found]
    keys = [logged_models.notes_of(name) for name in names]
    params = logged_models.notes_by_model(notes.params(tx, keys), names)
    tags = logged_models.notes_by_model(notes.tags(tx, keys), names)
    measured = logged_models.metrics(tx, names)
    marks = marking.of_holders(tx, names)
    return [
        SeenModel(each, params[key], tags[key], measured[each.model], marks[each.model])
        for each, key in zip(found, keys, strict=True)
    ]


def finalize(visit: Visit, model: str, status: str) -> SeenModel:
    """The model, complete or failed; raises NotFound, BadInput for another status."""
    if status not in logged_models.STATUSES:
        raise BadInput(f"Invalid status: expected one of {', '.join(logged_models.STATUSES)}")
    _update(visit, model, status=status)
    return get(visit, model)


def log_params(visit: Visit, model: str, params: Sequence[Note]) -> None:
    """Adds parameters; raises NotFound, BadInput for one that has another value."""
    _update(visit, model, params=params)


def set_tags(visit: Visit, model: str, tags: Sequence[Note]) -> None:
    """Sets tags; raises NotFound, BadInput."""
    _update(visit, model, tags=tags)


def _update(
    visit: Visit,
    model: str,
    status: str | None = None,
    params: Sequence[Note] = (),
    tags: Sequence[Note] = (),
) -> None:
    act = visit.act(Action.RUN)
    _check(params, tags)
    cleaner = Cleaner(visit)
    params = cleaner.notes(Place.PARAM, params)
    tags = notes.last_of_each(cleaner.notes(Place.TAG, tags))

    def change(tx: Transaction) -> tuple[list[Event], None]:
        holders.active_model(visit, tx, model)
        fresh = notes.unlogged(tx, logged_models.notes_of(model), params)
        body = {
            "model": model,
            "params": [list(note) for note in fresh],
            "status": status,
            "tags": [list(note) for note in tags],
            "time_ms": now_ms(visit.lab),
        }
        return [*one(act, "logged.updated", body), *cleaner.events(act, model)], None

    record(act, change)


def _check(params: Sequence[Note], tags: Sequence[Note]) -> None:
    notes.check_params(params)
    notes.check_tags(tags)
    limits.check_count("params", len(params), limits.POINTS_A_BATCH)
    limits.check_count("tags", len(tags), limits.POINTS_A_BATCH)


def remove_tag(visit: Visit, model: str, name: str) -> None:
    """Takes one tag off; raises NotFound."""
    act = visit.act(Action.RUN)
    name = Cleaner(visit).text(Place.TAG, name)

    def change(tx: Transaction) -> tuple[list[Event], None]:
        holders.active_model(visit, tx, model)
        if not notes.has_tag(tx, logged_models.notes_of(model), name):
            raise NotFound(f"No tag of that name on logged model with ID '{model}'")
        return one(act, "logged.untagged", {"model": model, "name": name}), None

    record(act, change)


def delete(visit: Visit, model: str) -> None:
    """Deletes it with its files, for good: nobody loads it again. Raises NotFound."""
    act = visit.act(Action.RUN)

    def change(tx: Transaction) -> tuple[list[Event], None]:
        holders.active_model(visit, tx, model)
        return deletion(act, tx, model), None

    record(act, change)


def deletion(act: Act, tx: Transaction, model: str) -> list[Event]:
    """Lets go of a model's files, and the events that say so."""
    body = {"model": model, "time_ms": now_ms(act.lab)}
    return [*removals(act, tx, model), *one(act, "logged.deleted", body)]


def measure(visit: Visit, run: str, measured: Sequence[Measured]) -> None:
    """Says what a run measured of models; raises NotFound, BadInput."""
    if not measured:
        return
    act = visit.act(Action.RUN)
    points.check([each.point for each in measured])
    cleaner = Cleaner(visit)
    clean = [_cleaned(cleaner, each) for each in measured]

    def change(tx: Transaction) -> tuple[list[Event], None]:
        seen.active_run(visit, tx, run)
        for model in sorted({each.model for each in clean}):
            holders.active_model(visit, tx, model)
        told = one(act, "logged.measured", logged_models.measured_body(run, clean))
        return [*told, *cleaner.events(act, run)], None

    record(act, change)


def _cleaned(cleaner: Cleaner, one: Measured) -> Measured:
    (point,) = cleaner.points([one.point])
    dataset, digest = cleaner.texts(Place.NAME, (one.dataset, one.digest))
    limits.check_text(dataset, "dataset_name", limits.EXPERIMENT_NAME_CHARS)
    limits.check_text(digest, "dataset_digest", limits.EXPERIMENT_NAME_CHARS)
    return Measured(one.model, point, dataset, digest)


def search(  # noqa: PLR0913, PLR0917 - as many as the interface has
    visit: Visit,
    experiments: Sequence[str],
    filter_string: str = "",
    on: Sequence[On] = (),
    most: int = 100,
    order_by: Sequence[By] = (),
    page_token: str | None = None,
) -> Page[SeenModel]:
    """One page of the models that match; raises BadInput for a filter that is none."""
    visit.act(Action.LIST)
    numbers = [limits.experiment_number(number) for number in experiments]
    window = Window.asked(most, page_token, MOST_A_PAGE)
    filter_string = Cleaner(visit).text(Place.NAME, filter_string)

    def query(tx: Transaction) -> Page[SeenModel]:
        found = searching.search(
            tx,
            seen.visible(visit, tx, numbers),
            filter_string,
            on,
            order_by,
            window.bounds,
            holders.models_within(visit),
        )
        return window.page(found, partial(whole, tx))

    return visit.lab.read(query)
