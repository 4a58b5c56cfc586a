"""Each distribution of the docs gives the values that it says, as often as it says."""

from __future__ import annotations

import math
from typing import Any

import pytest

from cloister.core.errors import BadInput
from cloister.sweeps.parameters import Parameter
from cloister.sweeps.reading import Section
from cloister.sweeps.space import read_space


def parameter(**settings: Any) -> Parameter:
    return read_space(Section.of("parameters", {"x": settings})).leaves[0].parameter


def spread(one: Parameter, count: int = 2000) -> list[Any]:
    return [one.at((rank + 0.5) / count) for rank in range(count)]


@pytest.mark.parametrize(
    ("settings", "lowest", "middle", "highest"),
    [
        ({"min": 0.0, "max": 2.0}, 0, 1, 2),
        ({"distribution": "uniform", "min": 1, "max": 3}, 1, 2, 3),
        ({"distribution": "log_uniform", "min": -4, "max": 0}, math.exp(-4), math.exp(-2), 1),
        ({"distribution": "log_uniform_values", "min": 0.01, "max": 1}, 0.01, 0.1, 1),
        (
            {"distribution": "inv_log_uniform", "min": 0, "max": 2},
            math.exp(-2),
            math.exp(-1),
            1,
        ),
        ({"distribution": "inv_log_uniform_values", "min": 0.01, "max": 1}, 0.01, 0.1, 1),
        ({"distribution": "q_uniform", "min": 0, "max": 10, "q": 5}, 0, 5, 10),
        ({"distribution": "q_log_uniform", "min": 0, "max": 4, "q": 0.5}, 1.0, 7.5, 54.5),
        ({"distribution": "q_log_uniform_values", "min": 16, "max": 256, "q": 8}, 16, 64, 256),
        ({"distribution": "beta", "a": 2, "b": 2}, 0, 0.5, 1),
        ({"distribution": "q_beta", "a": 2, "b": 2, "q": 0.25}, 0.0, 0.5, 1.0),
    ],
)
def test_bounded_distributions_reach_from_end_to_end_around_their_median(
    settings: dict[str, Any], lowest: float, middle: float, highest: float
) -> None:
    values = spread(parameter(**settings), 1001)
    assert values == sorted(values)
    assert values[0] == pytest.approx(lowest, abs=0.02)
    assert values[500] == pytest.approx(middle, abs=1e-6)
    assert values[-1] == pytest.approx(highest, abs=0.02)
    low, high = min(lowest, highest) - 1e-9, max(lowest, highest) + 1e-9
    assert all(low <= value <= high for value in values)


def test_bell_curves_have_their_mean_and_spread() -> None:
    values = spread(parameter(distribution="normal", mu=3, sigma=2))
    mean = sum(values) / len(values)
    assert mean == pytest.approx(3, abs=1e-9)
    deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))
    assert deviation == pytest.approx(2, rel=0.01)
    logs = [math.log(value) for value in spread(parameter(distribution="log_normal", mu=1))]
    assert sum(logs) / len(logs) == pytest.approx(1, abs=1e-9)
    stepped = spread(parameter(distribution="q_normal", mu=0, sigma=5, q=2))
    assert {value % 2 for value in stepped} == {0}
    assert all(type(value) is int for value in stepped)
    assert set(spread(parameter(distribution="q_log_normal", q=0.5))) >= {0.5, 1.0, 1.5}


@pytest.mark.parametrize(("a", "b"), [(0.5, 0.5), (1, 1), (2, 5), (30, 2), (0.1, 3)])
def test_beta_has_its_mean_and_variance(a: float, b: float) -> None:
    values = spread(parameter(distribution="beta", a=a, b=b), 800)
    mean = sum(values) / len(values)
    assert mean == pytest.approx(a / (a + b), rel=5e-3)
    variance = sum((value - mean) ** 2 for value in values) / len(values)
    assert variance == pytest.approx(a * b / ((a + b) ** 2 * (a + b + 1)), rel=2e-2)


def test_steps_are_exact_and_integers_where_the_step_is_one() -> None:
    tenths = parameter(distribution="q_uniform", min=0, max=1, q=0.1)
    assert tenths.at(0.3) == 0.3
    assert list(tenths.listed or ()) == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    assert parameter(distribution="q_uniform", min=1, max=11, q=3).listed == [3, 6, 9]
    with pytest.raises(BadInput, match="no multiple of 64"):
        parameter(distribution="q_uniform", min=1, max=11, q=64)


def test_choices_come_as_often_as_they_are_probable() -> None:
    even = parameter(values=["a", "b"])
    assert spread(even).count("a") == 1000
    uneven = parameter(values=["a", None, 3], probabilities=[0.7, 0.3, 0])
    found = spread(uneven)
    assert (found.count("a"), found.count(None), found.count(3)) == (1400, 600, 0)


def test_whole_numbers_reach_both_ends_equally_often() -> None:
    found = spread(parameter(min=2, max=5))
    assert [found.count(value) for value in (2, 3, 4, 5)] == [500] * 4


def test_nested_parameters_are_nested_for_the_script_and_dotted_for_the_search() -> None:
    inner = {"parameters": {"lr": {"values": [1, 2]}, "kind": {"value": "adam"}}}
    space = read_space(Section.of("parameters", {"optimizer": inner, "x": {"value": 1}}))
    values = space.values({"optimizer.lr": 2})
    assert values == {"optimizer": {"lr": 2, "kind": "adam"}, "x": 1}
    assert space.flat(values) == {"optimizer.lr": 2, "optimizer.kind": "adam", "x": 1}
