"""Column names may be shown; a row of data in their place may not."""

from __future__ import annotations

import pytest

from cloister.core.columns import showable


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (["id", "s1", "dose (Gy)"], ["7", "0.5", "2"]),
        (["Name", "Age"], ["Anna", "61"]),
        (["Name", "Born"], ["Anna", "1961-05-04"]),
        (["name", "sex"], ["Anna", "f"]),
        (["patient", "age"], []),
    ],
)
def test_names_are_shown(first: list[str], second: list[str]) -> None:
    assert showable(first, second) == tuple(first)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (["P0001", "Anna", "f"], ["P0002", "Hans", "m"]),
        (["Anna", "Berg"], ["Hans", "Thal"]),
        (["Anna", "f"], ["hans", "m"]),
        (["Anna"], []),
        (["Anna", "61"], []),
        (["Anna", ""], []),
        (["Anna", "Anna"], []),
        (["1.5"], []),
        (["x" * 41], []),
    ],
)
def test_a_row_of_data_is_not_shown(first: list[str], second: list[str]) -> None:
    assert showable(first, second) == ()
