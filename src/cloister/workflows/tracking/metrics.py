"""Metrics: the history of one, whole or thinned out to what a chart shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cloister.core.errors import BadInput
from cloister.core.events import Transaction
from cloister.policy import Action
from cloister.runs.identified import Place
from cloister.tracking import history, limits
from cloister.tracking import runs as tables
from cloister.tracking.points import Point
from cloister.tracking.search.pages import FARTHEST, Page, Window
from cloister.workflows.tracking import seen
from cloister.workflows.tracking.cleaning import Cleaner
from cloister.workflows.tracking.visit import Visit

MOST_A_PAGE = 25_000
MOST_OF_A_RUN = 2_500
_MOST_RUNS = 100


class PointOf(NamedTuple):
    """A point, and whose."""

    run: str
    point: Point


def whole(
    visit: Visit, run: str, metric: str, most: int | None = None, page_token: str | None = None
) -> Page[Point]:
    """The points in order of time, a page of them where ``most`` is given; raises NotFound."""
    visit.act(Action.LIST)
    metric = Cleaner(visit).text(Place.METRIC, metric)
    window = Window.asked(FARTHEST if most is None else most, page_token)

    def query(tx: Transaction) -> Page[Point]:
        seen.run(visit, tx, run)
        return window.page(history.page(tx, run, metric, *window.bounds), list)

    return visit.lab.read(query)


def together(
    visit: Visit, runs: Sequence[str], metric: str, most: int = MOST_A_PAGE
) -> list[PointOf]:
    """The points of several runs, run by run, ``most`` in all; runs not seen have none."""
    visit.act(Action.LIST)
    metric = Cleaner(visit).text(Place.METRIC, metric)
    _check_runs(runs)
    most = min(most, MOST_A_PAGE)

    def query(tx: Transaction) -> list[PointOf]:
        found: list[PointOf] = []
        for run in sorted(_visible(visit, tx, runs)):
            left = most - len(found)
            found += [PointOf(run, one) for one in history.page(tx, run, metric, 0, left)]
        return found

    return visit.lab.read(query)


def thinned(
    visit: Visit,
    runs: Sequence[str],
    metric: str,
    most: int = MOST_OF_A_RUN,
    between: tuple[int, int] | None = None,
) -> list[PointOf]:
    """At most ``most`` points of each run, evenly spread over its steps; raises NotFound."""
    visit.act(Action.LIST)
    metric = Cleaner(visit).text(Place.METRIC, metric)
    _check_runs(runs)
    if between is not None and between[0] > between[1]:
        raise BadInput("end_step must be greater than start_step")
    most = max(1, min(most, MOST_OF_A_RUN))

    def query(tx: Transaction) -> list[PointOf]:
        for run in runs:
            seen.run(visit, tx, run)
        return [
            PointOf(run, one)
            for run in runs
            for one in history.thinned(tx, run, metric, most, between)
        ]

    return visit.lab.read(query)


def _check_runs(runs: Sequence[str]) -> None:
    if not runs:
        raise BadInput("the request must specify at least one run_id")
    if len(runs) > _MOST_RUNS:
        raise BadInput(f"the request cannot specify more than {_MOST_RUNS} run_ids")
    for run in runs:
        limits.check_run_id(run)


def _visible(visit: Visit, tx: Transaction, names: Sequence[str]) -> list[str]:
    return [one.run for one in tables.of_ids(tx, names) if seen.sees(visit, one)]
