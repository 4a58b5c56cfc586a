"""Tracking: experiments, tracked runs, their points, parameters and tags."""

from collections.abc import Mapping

from cloister.core.events import Projection
from cloister.db import Migration
from cloister.tracking import (
    artifacts,
    experiments,
    history,
    inputs,
    logged_models,
    notes,
    points,
    registry,
    runs,
)

MIGRATIONS = (
    Migration(
        "tracking",
        1,
        (
            *experiments.SCHEMA,
            *runs.SCHEMA,
            *points.SCHEMA,
            *notes.SCHEMA,
            *inputs.SCHEMA,
        ),
    ),
    Migration("tracking", 2, artifacts.SCHEMA),
    Migration("tracking", 3, logged_models.SCHEMA),
    Migration("tracking", 4, registry.SCHEMA),
)
PROJECTIONS: Mapping[str, Projection] = {
    "artifact.logged": artifacts.artifact_logged,
    "artifact.removed": artifacts.artifact_removed,
    "experiment.created": experiments.experiment_created,
    "experiment.renamed": experiments.experiment_renamed,
    "experiment.staged": experiments.experiment_staged,
    "experiment.tagged": experiments.experiment_tagged,
    "experiment.untagged": experiments.experiment_untagged,
    "logged.created": logged_models.created,
    "logged.updated": logged_models.updated,
    "logged.untagged": logged_models.untagged,
    "logged.measured": logged_models.measured,
    "logged.deleted": logged_models.deleted,
    "registered.created": registry.created,
    "registered.changed": registry.changed,
    "registered.deleted": registry.deleted,
    "registered.tagged": registry.tagged,
    "registered.untagged": registry.untagged,
    "registered.aliased": registry.aliased,
    "registered.versioned": registry.version_created,
    "registered.revised": registry.version_changed,
    "registered.withdrawn": registry.version_deleted,
    "tracked.begun": runs.tracked_begun,
    "tracked.logged": runs.tracked_logged,
    "tracked.updated": runs.tracked_updated,
    "tracked.untagged": runs.tracked_untagged,
    "tracked.staged": runs.tracked_staged,
    "tracked.given": inputs.tracked_given,
    "tracked.purged": runs.tracked_purged,
}
TABLES = (
    "track_experiment",
    "track_experiment_tag",
    "track_run",
    "track_series",
    "track_point",
    "track_thinned",
    "track_param",
    "track_tag",
    "track_dataset",
    "track_input",
    "track_input_tag",
    "track_model_link",
    "track_artifact",
    "track_model",
    "track_model_metric",
    "track_registered",
    "track_version",
    "track_alias",
)

__all__ = [
    "MIGRATIONS",
    "PROJECTIONS",
    "TABLES",
    "artifacts",
    "experiments",
    "history",
    "inputs",
    "logged_models",
    "notes",
    "points",
    "registry",
    "runs",
]
