"""What the platform wires: the tables of pipelines and what fills them."""

from cloister.db import Migration
from cloister.pipelines import history

MIGRATIONS = (Migration("pipelines", 1, history.SCHEMA),)
PROJECTIONS = history.PROJECTIONS
TABLES = history.TABLES

__all__ = ["MIGRATIONS", "PROJECTIONS", "TABLES"]
