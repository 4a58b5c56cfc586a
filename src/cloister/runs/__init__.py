"""Runs: what is captured before a command starts, and the record of what it did."""

from collections.abc import Mapping

from cloister.core.events import Projection
from cloister.db import Migration
from cloister.runs import history

MIGRATIONS = (Migration("runs", 1, history.SCHEMA),)
PROJECTIONS: Mapping[str, Projection] = {
    "run.begun": history.run_begun,
    "run.output": history.run_output,
    "run.ended": history.run_ended,
}
TABLES = ("run", "run_input", "run_output")

__all__ = ["MIGRATIONS", "PROJECTIONS", "TABLES", "history"]
