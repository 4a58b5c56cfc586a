"""Curves: metrics of tracked runs as charts draw them, and what was logged since."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from cloister.core.errors import BadInput
from cloister.core.events import Transaction
from cloister.policy import Action
from cloister.runs.identified import Place
from cloister.tracking import history, points
from cloister.tracking.points import Point, Series
from cloister.workflows.lab import Lab
from cloister.workflows.tracking import seen
from cloister.workflows.tracking.cleaning import Cleaner
from cloister.workflows.tracking.visit import Visit

MOST_RUNS = 20
MOST_METRICS = 40
MOST_POINTS = 2000
_MOST_NEW = 5000
"""Of one curve in one answer; who lacks more asks for all of it, thinned out."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One metric of one run, as three columns of equal length."""

    run: str
    metric: str
    total: int
    """How many points were logged in all, those of before included."""
    whole: bool
    """Thinned out from the beginning, in order of step; else what came since, in order of
    time."""
    steps: tuple[int, ...] = field(repr=False)
    times_ms: tuple[int, ...] = field(repr=False)
    values: tuple[float | None, ...] = field(repr=False)
    """None for what no chart can draw: NaN, infinities."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """Some metrics of a run, and how many there are."""

    found: tuple[Series, ...]
    total: int


def curves(
    lab: Lab, runs: Sequence[str], metrics: Sequence[str], most: int = 1000, since_ms: int = -1
) -> list[Curve]:
    """A curve for each run and metric that it has; raises NotFound, BadInput.

    With ``since_ms``, only what was logged with a later time; all of it, thinned out, where
    that is too much. Points that came late, with an earlier time, show in ``total`` alone.
    """
    lab.act(Action.LIST)
    _check(runs, metrics)
    visit = Visit(lab)
    clean = list(dict.fromkeys(Cleaner(visit).texts(Place.METRIC, metrics)))
    most = max(2, min(most, MOST_POINTS))

    def query(tx: Transaction) -> list[Curve]:
        found = []
        for run in dict.fromkeys(runs):
            seen.run(visit, tx, run)
            for metric, total in sorted(points.counts(tx, run, clean).items()):
                found.append(_curve(tx, run, (metric, total), most, since_ms))
        return found

    return lab.read(query)


def _curve(
    tx: Transaction, run: str, series: tuple[str, int], most: int, since_ms: int
) -> Curve:
    metric, total = series
    whole = since_ms < 0
    if not whole:
        found = history.since(tx, run, metric, since_ms, _MOST_NEW + 1)
        whole = len(found) > _MOST_NEW
    if whole:
        found = history.thinned(tx, run, metric, most)
    return Curve(
        run=run,
        metric=metric,
        total=total,
        whole=whole,
        steps=tuple(point.step for point in found),
        times_ms=tuple(point.time_ms for point in found),
        values=tuple(_drawn(point) for point in found),
    )


def _drawn(point: Point) -> float | None:
    return point.value if math.isfinite(point.value) else None


def _check(runs: Sequence[str], metrics: Sequence[str]) -> None:
    if not runs or len(runs) > MOST_RUNS:
        raise BadInput(f"curves are of 1 to {MOST_RUNS} runs at once")
    if not metrics or len(metrics) > MOST_METRICS:
        raise BadInput(f"curves are of 1 to {MOST_METRICS} metrics at once")


def metrics(
    lab: Lab, run: str, contains: str = "", offset: int = 0, most: int = 100
) -> Metrics:
    """Metrics of a tracked run whose names hold ``contains``, by name; raises NotFound."""
    lab.act(Action.LIST)
    visit = Visit(lab)

    def query(tx: Transaction) -> Metrics:
        seen.run(visit, tx, run)
        found, total = points.series_of(tx, run, contains, (offset, most))
        return Metrics(tuple(found), total)

    return lab.read(query)
