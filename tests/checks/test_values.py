"""Values of columns: type, range, unit."""

from __future__ import annotations

import random

import pytest

from cloister.checks import Material, inspect
from cloister.checks.values import implausible, two_units
from tests.checks.material import codes, with_table


def plausible(seed: int, count: int = 200) -> list[float]:
    made = random.Random(seed)
    return [round(made.gauss(90, 12), 1) for _ in range(count)]


def column(values: list[object], name: str = "glucose") -> Material:
    return with_table(["id", name], [[str(n), str(value)] for n, value in enumerate(values)])


@pytest.mark.parametrize("seed", range(20))
def test_clean_columns_give_nothing(seed: int) -> None:
    made = random.Random(seed)
    for values in (
        plausible(seed),
        [made.expovariate(0.1) for _ in range(300)],
        [made.lognormvariate(2, 1) for _ in range(300)],
        [made.randint(0, 4) for _ in range(300)],
        [made.choice((1.0, 2.0)) for _ in range(300)],
        [made.uniform(-5, 5) for _ in range(300)],
    ):
        assert codes(inspect(column(list(values)))) == {}


@pytest.mark.parametrize("wrong", [-1, 999, 9999, 0.1, -90, 900])
def test_a_value_that_nobody_has_is_found(wrong: float) -> None:
    values: list[object] = [*plausible(1), wrong]
    assert codes(inspect(column(values)))["D502"] == {"rec_200"}


def test_what_a_name_says_bounds_its_values() -> None:
    ages = [float(20 + n % 60) for n in range(100)]
    assert implausible("age", [*ages, 131.0]) == {100}
    assert implausible("AGE (years)", [*ages, 131.0]) == {100}
    assert implausible("cartilage", [*ages, 131.0]) == set()


@pytest.mark.parametrize("wrong", ["high", "12,5,3", "4o"])
def test_words_among_numbers_are_found(wrong: str) -> None:
    values: list[object] = [*plausible(2), wrong]
    assert codes(inspect(column(values))) == {"D501": {"rec_200"}}


def test_a_column_of_words_is_no_column_of_numbers() -> None:
    assert codes(inspect(column(["high", "low", *range(10)] * 10))) == {}


@pytest.mark.parametrize(("factor", "share"), [(1 / 18.016, 0.1), (10, 0.3), (1000, 0.05)])
def test_two_units_are_told_apart(factor: float, share: float) -> None:
    made = random.Random(3)
    values = plausible(3, 400)
    other = [n for n in range(400) if made.random() < share]
    for n in other:
        values[n] *= factor
    assert sorted(two_units(values)) == other
    assert set(codes(inspect(column(list(values))))) == {"D503"}


def test_fahrenheit_among_celsius() -> None:
    made = random.Random(4)
    values = [made.gauss(37, 0.6) for _ in range(100)]
    values += [made.gauss(37, 0.6) * 1.8 + 32 for _ in range(20)]
    assert sorted(two_units(values)) == list(range(100, 120))
