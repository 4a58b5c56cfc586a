"""Runs whose end somebody asked for: told as stopped, though their record says failed."""

from __future__ import annotations

from collections.abc import Sequence

from cloister.core.events import Transaction
from cloister.jobs import history as jobs
from cloister.pipelines import history as flows
from cloister.runs.history import Run


def as_ended(tx: Transaction, runs: Sequence[Run]) -> list[Run]:
    """``runs`` as people are told of them: the state of what was stopped is ``stopped``."""
    asked = stopped(tx, [one.run for one in runs])
    return [one._replace(state="stopped") if one.run in asked else one for one in runs]


def stopped(tx: Transaction, runs: Sequence[str]) -> frozenset[str]:
    """Those of ``runs`` that somebody stopped, or a pipeline's run with them."""
    return jobs.stopped(tx, runs) | flows.stopped(tx, runs)
