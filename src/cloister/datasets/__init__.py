"""Datasets: records, the immutable versions they form, splits by subject, and who read them."""

from collections.abc import Mapping

from cloister.core.events import Projection
from cloister.datasets import (
    checked,
    classes,
    corrections,
    examined,
    reads,
    records,
    splits,
    uploads,
    versions,
)
from cloister.db import Migration

MIGRATIONS = (
    Migration(
        "datasets", 1, (*versions.SCHEMA, *records.SCHEMA, *splits.SCHEMA, *reads.SCHEMA)
    ),
    Migration("datasets", 2, (*examined.SCHEMA, *checked.SCHEMA)),
    Migration("datasets", 3, corrections.SCHEMA),
    Migration("datasets", 4, classes.SCHEMA),
    Migration("uploads", 1, uploads.SCHEMA),
)
PROJECTIONS: Mapping[str, Projection] = {
    "dataset.created": versions.dataset_created,
    "data.classified": classes.data_classified,
    "record.added": records.record_added,
    "version.committed": versions.version_committed,
    "version.tagged": versions.version_tagged,
    "version.retracted": corrections.version_retracted,
    "record.assigned": corrections.record_assigned,
    "split.defined": splits.split_defined,
    "record.examined": examined.record_examined,
    "version.checked": checked.version_checked,
    "read.begun": reads.read_begun,
    "read.ended": reads.read_ended,
    "intake.begun": uploads.upload_begun,
    "intake.completed": uploads.upload_completed,
    "intake.reopened": uploads.upload_reopened,
    "intake.ended": uploads.upload_ended,
}
TABLES = (
    *("dataset", "record", "version", "tag", "split", "read"),
    *("examined", "checked", "checked_subject", "retraction", "assignment"),
    "data_class",
    "upload",
)

__all__ = [
    "MIGRATIONS",
    "PROJECTIONS",
    "TABLES",
    "checked",
    "classes",
    "corrections",
    "examined",
    "reads",
    "records",
    "splits",
    "uploads",
    "versions",
]
