"""Tracking: experiments, tracked runs, their points, parameters and tags."""

from collections.abc import Mapping

from cloister.core.events import Projection
from cloister.db import Migration
from cloister.tracking import experiments, history, inputs, notes, points, runs

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
)
PROJECTIONS: Mapping[str, Projection] = {
    "experiment.created": experiments.experiment_created,
    "experiment.renamed": experiments.experiment_renamed,
    "experiment.staged": experiments.experiment_staged,
    "experiment.tagged": experiments.experiment_tagged,
    "experiment.untagged": experiments.experiment_untagged,
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
)

__all__ = [
    "MIGRATIONS",
    "PROJECTIONS",
    "TABLES",
    "experiments",
    "history",
    "inputs",
    "notes",
    "points",
    "runs",
]
