"""Export of models: those that scripts logged, with their files, and the registry."""

from __future__ import annotations

import re

from cloister.core.events import Transaction
from cloister.tracking import logged_models, registry
from cloister.tracking.experiments import Experiment
from cloister.tracking.stock import StockLoggedModel, StockModel, StockVersion
from cloister.tracking.stock.writing import FolderWriter
from cloister.workflows.tracking import registry as registered
from cloister.workflows.tracking import seen
from cloister.workflows.tracking.given import ExportReport, Given, give_files
from cloister.workflows.tracking.logged_models import SeenModel, whole
from cloister.workflows.tracking.registry import SeenVersion
from cloister.workflows.tracking.visit import Visit

_STATUS = re.compile(r"LOGGED_MODEL_")
_PLACE = re.compile(r"mlflow-artifacts:/(\d+)/(?:models/)?([^/]+)/artifacts(?:/(.*))?")


def give_logged(
    visit: Visit, tx: Transaction, writer: FolderWriter, home: Experiment, report: ExportReport
) -> None:
    """The logged models of an experiment; those that were deleted have nothing left."""
    found = logged_models.select(tx, " AND m.experiment = ?", "m.created", (home.number,))
    mine = [one for one in found if visit.fenced in {None, one.fenced}]
    for one in whole(tx, mine):
        place = writer.logged_model(_stock(one))
        model = one.model
        given = Given(model.model, model.experiment, model.project, model.fenced, "models/")
        give_files(visit, tx, given, place, report)
        report.models += 1


def _stock(one: SeenModel) -> StockLoggedModel:
    model = one.model
    return StockLoggedModel(
        id=model.model,
        experiment=str(model.experiment),
        run=model.source_run,
        name=model.name,
        kind=model.kind,
        status=_STATUS.sub("", model.status),
        created_ms=model.created_ms,
        updated_ms=model.updated_ms,
        params=tuple(one.params),
        tags=tuple(one.tags),
        artifacts=None,
        metrics=tuple(one.metrics),
    )


def give_registered(
    visit: Visit, tx: Transaction, writer: FolderWriter, report: ExportReport
) -> None:
    """The registry, as far as the caller sees it; of two projects' names the first."""
    done: set[str] = set()
    for one in registry.select(tx, "1 = 1", "g.name, g.project", ()):
        if one.name in done or not seen.within(visit, one.project):
            continue
        done.add(one.name)
        known = [v for v in registry.versions(tx, [one.number]) if registered.sees(visit, v)]
        versions = registered.whole_versions(tx, [(v, one.name) for v in known])
        tags = registry.tags(tx, [registry.notes_of(one.number)])
        writer.model(
            StockModel(
                name=one.name,
                description=one.description,
                created_ms=one.created_ms,
                updated_ms=one.updated_ms,
                tags=tuple(tags[registry.notes_of(one.number)]),
                aliases=tuple((a.alias, a.version) for a in registry.aliases(tx, [one.number])),
                versions=tuple(_version(writer, each) for each in reversed(versions)),
            )
        )
        report.versions += len(versions)


def _version(writer: FolderWriter, one: SeenVersion) -> StockVersion:
    its = one.version
    return StockVersion(
        number=its.version,
        created_ms=its.created_ms,
        updated_ms=its.updated_ms,
        description=its.description,
        stage=its.stage,
        source=_source(writer, one),
        run=its.run,
        status="READY",
        tags=tuple(one.tags),
        model=its.model,
    )


def _source(writer: FolderWriter, one: SeenVersion) -> str:
    """Where its files are once they are out."""
    its = one.version
    match = _PLACE.fullmatch(its.place)
    if its.model and its.source.startswith("models:/m-"):
        return f"models:/{its.model}"
    if match is None or not writer.has(match[1]):
        return its.source
    place = writer.artifacts_of(match[1], match[2])
    return (place / match[3] if match[3] else place).absolute().as_uri()
