"""Who is stopped, and after how many values: W&B's rule for hyperband."""

from __future__ import annotations

import pytest

from cloister.sweeps.stopping import Hyperband

# Losses of five runs.
A, B, C = [10.0, 9.0], [10.0, 10.0], [10.0, 8.0, 8.0]
D, E = [10.0, 7.0, 7.0], [10.0, 6.0, 6.0]
ALL = [A, B, C, D, E]


def test_bands_rise_from_the_lowest_or_fall_from_the_highest() -> None:
    assert Hyperband(3, lowest=3).bands[:4] == (3, 9, 27, 81)
    assert Hyperband(3, highest=27, times=2).bands == (3, 9)
    assert Hyperband(3, highest=81, times=3).bands == (3, 9, 27)
    assert Hyperband(1.5, lowest=1).bands[:4] == (1, 2, 3, 5)


@pytest.mark.parametrize(("run", "stops"), [(A, True), (B, True), (C, False), (D, False)])
def test_only_the_best_part_goes_on(run: list[float], stops: bool) -> None:
    rule = Hyperband(2, highest=5, times=2)
    assert rule.bands == (1, 2)
    assert rule.stops(run, ALL) is stops


def test_before_the_first_band_nobody_is_judged() -> None:
    assert not Hyperband(3, lowest=3).stops([9.0, 9.0], ALL)


def test_strict_judges_by_the_value_at_the_band_and_not_by_the_best() -> None:
    others = [[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]
    fell_back = [0.5, 4.0]
    every = [*others, fell_back]
    assert not Hyperband(3, lowest=2).stops(fell_back, every)
    assert Hyperband(3, strict=True, lowest=2).stops(fell_back, every)


def test_a_run_alone_goes_on() -> None:
    assert not Hyperband(3, lowest=1).stops([5.0], [[5.0]])
