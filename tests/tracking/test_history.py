"""Histories: page by page, and thinned out to what a chart shows."""

from __future__ import annotations

import itertools
import math
import random

import pytest

from cloister.core.errors import BadInput
from cloister.tracking.points import Point
from cloister.workflows.tracking import log, metrics, runs
from cloister.workflows.tracking.runs import NewRun
from cloister.workflows.tracking.visit import Visit
from tests.tracking.lab import TrackingLab


def fill(visit: Visit, points: list[Point], batch: int = 1000) -> str:
    run = runs.create(visit, NewRun("0")).run.run
    for start in range(0, len(points), batch):
        log.log(visit, run, points[start : start + batch])
    return run


def thinned(
    visit: Visit, run: str, most: int, between: tuple[int, int] | None = None
) -> list[int]:
    return [one.point.step for one in metrics.thinned(visit, [run], "m", most, between)]


def test_pages_join_to_the_whole(visit: Visit) -> None:
    points = [Point("m", float(n), 5000 - n, n) for n in range(2500)]
    run = fill(visit, points)
    token, found = None, []
    while True:
        page = metrics.whole(visit, run, "m", 700, token)
        found += page.found
        if page.next_token is None:
            break
        token = page.next_token
    assert found == sorted(points, key=lambda point: point.time_ms)
    assert metrics.whole(visit, run, "m").found == found
    assert metrics.whole(visit, run, "none").found == []
    for wrong in ("x", "e30=", "eyJvZmZzZXQiOiAtMX0="):
        with pytest.raises(BadInput, match="page token"):
            metrics.whole(visit, run, "m", 10, wrong)
    with pytest.raises(BadInput):
        metrics.whole(visit, run, "m", 0)


@pytest.mark.parametrize("count", [0, 1, 2, 7, 8, 9, 100, 1000, 20_000])
@pytest.mark.parametrize("most", [1, 2, 10, 2500])
def test_thinned_is_bounded_spread_and_keeps_both_ends(
    quick_visit: Visit, count: int, most: int
) -> None:
    visit = quick_visit
    run = fill(visit, [Point("m", 0.5, step, step) for step in range(count)])
    steps = thinned(visit, run, most)
    assert len(steps) == min(most, count)
    if count == 0:
        return
    assert steps == sorted(set(steps))
    assert steps[-1] == count - 1
    if most == 1:
        return
    assert steps[0] == 0
    if count > most:
        widest = max(b - a for a, b in itertools.pairwise(steps))
        assert widest <= 2 * count / (most - 1) + 1


def test_a_range_of_steps_is_shown_in_its_own_detail(visit: Visit) -> None:
    run = fill(visit, [Point("m", 0.5, step, step) for step in range(30_000)])
    assert thinned(visit, run, 2500, (100, 200)) == list(range(100, 201))
    steps = thinned(visit, run, 100, (5_000, 25_000))
    assert (len(steps), steps[0], steps[-1]) == (100, 5_000, 25_000)
    assert thinned(visit, run, 100, (40_000, 50_000)) == []
    with pytest.raises(BadInput):
        thinned(visit, run, 10, (2, 1))


def test_out_of_order_and_equal_steps_are_thinned_too(lab: TrackingLab) -> None:
    visit = lab.visit()
    shuffled = [Point("m", 0.5, step, step) for step in range(9_000)]
    random.Random(3).shuffle(shuffled)
    run = fill(visit, shuffled)
    steps = thinned(visit, run, 100)
    assert steps == sorted(steps)
    assert len(steps) == 100
    assert steps[-1] == 8_999
    assert max(b - a for a, b in itertools.pairwise(steps)) < 1000
    level = fill(visit, [Point("m", math.nan if n % 3 else 1.0, n, 0) for n in range(5_000)])
    assert len(thinned(visit, level, 100)) == 100
    assert lab.audit().findings == ()


def test_points_of_several_runs_come_together(visit: Visit) -> None:
    names = sorted(
        fill(visit, [Point("m", float(n), n, n) for n in range(3)]) for _ in range(3)
    )
    found = metrics.together(visit, [*reversed(names), "f" * 32], "m", 7)
    assert [(one.run, one.point.step) for one in found] == [
        (run, step) for run in names for step in range(3)
    ][:7]
    for wrong in ([], ["a"] * 101, ["../x"]):
        with pytest.raises(BadInput):
            metrics.together(visit, wrong, "m")
