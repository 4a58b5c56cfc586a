"""Labels: read from a file, kept as append-only rows."""

from collections.abc import Mapping

from cloister.core.events import Projection
from cloister.db import Migration
from cloister.labels import rows

MIGRATIONS = (Migration("labels", 1, rows.SCHEMA), Migration("labels", 2, rows.WITHDRAWALS))
PROJECTIONS: Mapping[str, Projection] = {
    "label.added": rows.label_added,
    "labels.withdrawn": rows.labels_withdrawn,
}
TABLES = ("label", "label_withdrawal")

__all__ = ["MIGRATIONS", "PROJECTIONS", "TABLES", "rows"]
