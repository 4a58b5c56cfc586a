"""Import of models: those that scripts logged, with their files, and the registry."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from cloister.core.errors import NotFound
from cloister.core.events import Event, Transaction
from cloister.policy import Action, Resource
from cloister.runs.identified import Place
from cloister.tracking import limits, logged_models, registry, runs
from cloister.tracking.experiments import Experiment
from cloister.tracking.logged_models import FAILED, PENDING, READY, Measured
from cloister.tracking.registry import NO_STAGE
from cloister.tracking.stock import StockLoggedModel, StockModel, StockVersion
from cloister.workflows.lab import Act
from cloister.workflows.tracking.brought import ImportReport, bring_files, cut
from cloister.workflows.tracking.cleaning import Cleaner
from cloister.workflows.tracking.recording import record
from cloister.workflows.tracking.visit import Visit

_STATUSES = {"PENDING": PENDING, "READY": READY, "UPLOAD_FAILED": FAILED}
_ID = re.compile(r"m-[0-9A-Za-z_-]{1,64}")
_IN_RUN = re.compile(r"(?:^|/)([^/]+)/artifacts(?:/(.*))?$")
_POINTS = 1000
_DELETED = "Deleted_Internal"
"""The stage in which a stock MLflow keeps versions that were deleted."""
_DESCRIPTION_CHARS = 5000


def bring_logged(
    visit: Visit, home: Experiment, found: Iterable[StockLoggedModel], report: ImportReport
) -> None:
    """The logged models of an experiment that are not there yet, and files that lack."""
    for one in found:
        if not _ID.fullmatch(one.id):
            report.refused += 1
            continue
        report.models += record(visit.act(Action.RUN), _Coming(visit, home, one, report))
        root = f"{home.number}/models/{one.id}/artifacts"
        bring_files(visit, one.id, root, one.artifacts, report)


class _Coming:
    """One logged model on its way in: all of it in one transaction; tells whether it is new."""

    def __init__(
        self, visit: Visit, home: Experiment, model: StockLoggedModel, report: ImportReport
    ) -> None:
        self._visit = visit
        self._home = home
        self._model = model
        self._report = report
        self._act = visit.act(Action.RUN)

    def __call__(self, tx: Transaction) -> tuple[list[Event], bool]:
        one, act = self._model, self._act
        if _is_known(tx, one.id):
            return [], False
        cleaner = Cleaner(self._visit)
        params = cleaner.notes(Place.PARAM, cut(one.params, limits.PARAM_CHARS, self._report))
        tags = cleaner.notes(Place.TAG, cut(one.tags, limits.TAG_CHARS, self._report))
        body = {
            "artifacts": f"{self._home.artifacts}/models/{one.id}/artifacts",
            "experiment": self._home.number,
            "kind": cleaner.text(Place.NAME, one.kind[: limits.EXPERIMENT_NAME_CHARS]),
            "model": one.id,
            "name": cleaner.text(Place.NAME, one.name[: limits.EXPERIMENT_NAME_CHARS]),
            "params": [list(note) for note in params],
            "project": self._home.project,
            "run": None,
            "source_run": one.run if runs.of_ids(tx, [one.run]) else "",
            "tags": [list(note) for note in tags],
            "time_ms": one.created_ms,
        }
        status = {"status": _STATUSES.get(one.status, READY), "time_ms": one.updated_ms}
        nothing = {"model": one.id, "params": [], "tags": []}
        events = [
            act.event("logged.created", body),
            act.event("logged.updated", nothing | status),
            *self._measured(cleaner),
            *cleaner.events(act, one.id),
        ]
        return events, True

    def _measured(self, cleaner: Cleaner) -> Iterator[Event]:
        by_run: dict[str, list[Measured]] = {}
        for each in self._model.metrics:
            (point,) = cleaner.points([each.point])
            named = cleaner.texts(Place.NAME, (each.dataset, each.digest))
            clean = Measured(each.model, point, *named)
            by_run.setdefault(each.run, []).append(clean)
        for run, measured in by_run.items():
            for start in range(0, len(measured), _POINTS):
                some = measured[start : start + _POINTS]
                body = logged_models.measured_body(run, some)
                yield self._act.event("logged.measured", body)


def _is_known(tx: Transaction, model: str) -> bool:
    try:
        logged_models.find(tx, model)
    except NotFound:
        return False
    return True


def bring_registered(visit: Visit, found: Iterable[StockModel], report: ImportReport) -> None:
    """The names of a registry that are not taken yet, each with all its versions."""
    for one in found:
        act = visit.act(Action.RUN, Resource("registered_model", "", visit.project))
        coming = _Registering(visit, act, one, report)
        if record(act, coming):
            report.registered += 1
            report.versions += sum(v.stage != _DELETED for v in one.versions)
            report.unplaced += len(coming.unplaced)


class _Registering:
    """One registered model on its way in: all of it in one transaction."""

    def __init__(self, visit: Visit, act: Act, model: StockModel, report: ImportReport) -> None:
        self._visit = visit
        self._act = act
        self._model = model
        self._report = report
        self.unplaced: set[int] = set()
        """The versions whose files are not here."""

    def __call__(self, tx: Transaction) -> tuple[list[Event], bool]:
        one, act, project = self._model, self._act, self._visit.project
        cleaner = Cleaner(self._visit)
        registry.check_name(one.name)
        name = cleaner.text(Place.NAME, one.name)
        if any(known.project == project for known in registry.named(tx, name)):
            return [], False
        number = registry.next_number(tx)
        body = {
            "description": cleaner.text(Place.NAME, one.description[:_DESCRIPTION_CHARS]),
            "name": name,
            "number": number,
            "project": project,
            "tags": self._tags(cleaner, one),
            "time_ms": one.created_ms,
        }
        events = [act.event("registered.created", body)]
        for version in one.versions:
            events += self._version(tx, cleaner, number, version)
        for alias, stands_for in one.aliases:
            said = {"alias": cleaner.text(Place.NAME, alias), "version": stands_for}
            said |= {"number": number, "time_ms": one.updated_ms}
            events.append(act.event("registered.aliased", said))
        as_was = {"description": None, "name": None, "time_ms": one.updated_ms}
        events.append(act.event("registered.changed", as_was | {"number": number}))
        return [*events, *cleaner.events(act, registry.notes_of(number))], True

    def _deleted(self, number: int, one: StockVersion) -> list[Event]:
        """Of a deleted version its number is left, which is not given again."""
        gone = {"number": number, "time_ms": one.updated_ms, "version": one.number}
        return [
            self._act.event("registered.versioned", _blank(number, one)),
            self._act.event("registered.withdrawn", gone),
        ]

    def _tags(self, cleaner: Cleaner, one: StockModel | StockVersion) -> list[list[str]]:
        short = cut(one.tags, limits.TAG_CHARS, self._report)
        return [list(note) for note in cleaner.notes(Place.TAG, short)]

    def _version(
        self, tx: Transaction, cleaner: Cleaner, number: int, one: StockVersion
    ) -> list[Event]:
        if one.stage == _DELETED:
            return self._deleted(number, one)
        place = _place(tx, one)
        if not place:
            self.unplaced.add(one.number)
        said = one.description[:_DESCRIPTION_CHARS]
        body = _blank(number, one) | {
            "description": cleaner.text(Place.NAME, said),
            "model": one.model if one.model and _is_known(tx, one.model) else "",
            "place": place,
            "run": one.run if runs.of_ids(tx, [one.run]) else "",
            "source": cleaner.text(Place.NAME, one.source),
            "tags": self._tags(cleaner, one),
        }
        stage = None if one.stage == NO_STAGE else registry.canonical_stage(one.stage)
        revised = {"description": None, "stage": stage, "time_ms": one.updated_ms}
        revised |= {"number": number, "version": one.number}
        return [
            self._act.event("registered.versioned", body),
            self._act.event("registered.revised", revised),
        ]


def _blank(number: int, one: StockVersion) -> dict[str, object]:
    """A version of which nothing is said."""
    texts = dict.fromkeys(("description", "model", "place", "run", "run_link", "source"), "")
    told = {"number": number, "time_ms": one.created_ms, "version": one.number}
    return texts | told | {"fenced": None, "tags": []}


def _place(tx: Transaction, one: StockVersion) -> str:
    """Where its files are here, whatever the address was there; empty where they are not."""
    source = one.source.rstrip("/")
    if one.model and _is_known(tx, one.model):
        return logged_models.find(tx, one.model).artifacts
    if source.startswith("runs:/"):
        name, _, path = source.removeprefix("runs:/").lstrip("/").partition("/")
        source = f"{name}/artifacts/{path}" if path else f"{name}/artifacts"
    match = _IN_RUN.search(source)
    if match is None:
        return ""
    holder, below = match[1], f"/{match[2]}" if match[2] else ""
    if holder.startswith("m-") and _is_known(tx, holder):
        return logged_models.find(tx, holder).artifacts + below
    there = runs.of_ids(tx, [holder])
    return there[0].artifacts + below if there else ""
