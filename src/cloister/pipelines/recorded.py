"""What the platform wires: the tables of pipelines and what fills them."""

from collections.abc import Mapping

from cloister.core.events import Projection
from cloister.db import Migration
from cloister.pipelines import history, projections, scheduled

MIGRATIONS = (
    Migration("pipelines", 1, history.SCHEMA),
    Migration("pipelines", 2, scheduled.SCHEMA),
    Migration("pipelines", 3, (*history.STOPPING, *scheduled.PAUSED)),
    Migration("pipelines", 4, history.WAITING),
)
PROJECTIONS: Mapping[str, Projection] = {**projections.PROJECTIONS, **scheduled.PROJECTIONS}
TABLES = (*history.TABLES, *scheduled.TABLES)

__all__ = ["MIGRATIONS", "PROJECTIONS", "TABLES"]
