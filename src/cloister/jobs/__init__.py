"""Jobs: whose turn it is on one machine, and what of it each is lent."""

from collections.abc import Mapping

from cloister.core.events import Projection
from cloister.db import Migration
from cloister.jobs import history

MIGRATIONS = (Migration("jobs", 1, history.SCHEMA),)
PROJECTIONS: Mapping[str, Projection] = {
    "job.submitted": history.job_submitted,
    "job.started": history.job_started,
    "job.requeued": history.job_requeued,
    "job.stopping": history.job_stopping,
    "job.ended": history.job_ended,
}
TABLES = ("job",)

__all__ = ["MIGRATIONS", "PROJECTIONS", "TABLES", "history"]
