"""What the platform wires: the tables of pipelines and what fills them."""

from collections.abc import Mapping

from cloister.core.events import Projection
from cloister.db import Migration
from cloister.pipelines import history, scheduled

MIGRATIONS = (
    Migration("pipelines", 1, history.SCHEMA),
    Migration("pipelines", 2, scheduled.SCHEMA),
    Migration("pipelines", 3, (*history.STOPPING, *scheduled.PAUSED)),
)
PROJECTIONS: Mapping[str, Projection] = {**history.PROJECTIONS, **scheduled.PROJECTIONS}
TABLES = (*history.TABLES, *scheduled.TABLES)

__all__ = ["MIGRATIONS", "PROJECTIONS", "TABLES"]
