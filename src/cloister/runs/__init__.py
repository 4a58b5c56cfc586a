"""Runs: what is captured before a command starts, and the record of what it did."""

from collections.abc import Mapping

from cloister.core.events import Projection
from cloister.db import Migration
from cloister.runs import history, identified, links, remarks, tainted

MIGRATIONS = (
    Migration("runs", 1, history.SCHEMA),
    Migration("runs", 2, links.SCHEMA),
    Migration("runs", 3, identified.SCHEMA),
    Migration("runs", 4, tainted.SCHEMA),
    Migration("remarks", 1, remarks.SCHEMA),
)
PROJECTIONS: Mapping[str, Projection] = {
    "run.begun": history.run_begun,
    "run.output": history.run_output,
    "run.ended": history.run_ended,
    "run.linked": links.run_linked,
    "run.compared": links.run_compared,
    "run.identified": identified.run_identified,
    "run.tainted": tainted.run_tainted,
    "run.remarked": remarks.run_remarked,
}
TABLES = (
    *("run", "run_input", "run_output", "run_identified", "run_link", "run_verdict"),
    "run_taint",
    "run_remark",
)

__all__ = [
    "MIGRATIONS",
    "PROJECTIONS",
    "TABLES",
    "history",
    "identified",
    "links",
    "remarks",
    "tainted",
]
