"""What is tried next: the whole grid once, random by its seed, TPE towards the best."""

from __future__ import annotations

import time
from typing import Any

import pytest

from cloister.sweeps.definition import Definition, parse
from cloister.sweeps.importance import importance
from cloister.sweeps.search import Search, Told, searching


def defined(method: str, parameters: str, goal: str = "minimize") -> Definition:
    return parse(
        f"program: t.py\nmethod: {method}\nmetric: {{name: y, goal: {goal}}}\n"
        f"parameters: {parameters}"
    )


def begun(search: Search, number: int) -> tuple[Told, dict[str, Any]]:
    places = search.ask(number)
    assert places is not None
    return Told(number, places, "running"), dict(search.values(places))


def tried(definition: Definition, count: int, seed: int = 0) -> list[tuple[Told, Any]]:
    """(what was told, values), of trials with y = (x - 3)^2 + a little of z."""
    search, found = searching(definition, seed, []), []
    for number in range(count):
        running, values = begun(search, number)
        value = (values["x"] - 3) ** 2 + 0.01 * values["z"]
        told = Told(number, running.places, "finished", value, 1)
        search.tell(told)
        found.append((told, values))
    return found


WIDE = "{x: {min: -10.0, max: 10.0}, z: {min: 0.0, max: 1.0}}"


def test_a_grid_tries_every_cell_once_the_last_parameter_fastest() -> None:
    grid = defined("grid", "{a: {values: [x, y]}, n: {min: 1, max: 3}, c: {value: 7}}")
    search = searching(grid, 0, [])
    cells = [begun(search, number)[1] for number in range(6)]
    assert [(cell["a"], cell["n"]) for cell in cells] == [
        ("x", 1), ("x", 2), ("x", 3), ("y", 1), ("y", 2), ("y", 3),
    ]  # fmt: skip
    assert {cell["c"] for cell in cells} == {7}
    assert search.ask(6) is None


def test_a_grid_that_goes_on_tries_what_is_left_and_what_was_interrupted() -> None:
    grid = defined("grid", "{n: {min: 0, max: 3}}")
    before = [
        Told(0, {"n": 0}, "finished", 1.0),
        Told(1, {"n": 1}, "interrupted"),
        Told(2, {"n": 2}, "running"),
    ]
    search = searching(grid, 0, before)
    assert [begun(search, number)[1]["n"] for number in (3, 4)] == [1, 3]
    assert search.ask(5) is None


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_the_same_seed_tries_the_same_and_another_one_others(method: str) -> None:
    definition = defined(method, WIDE)
    first = [values for _, values in tried(definition, 14)]
    assert first == [values for _, values in tried(definition, 14)]
    assert first != [values for _, values in tried(definition, 14, seed=1)]


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_a_search_begun_again_goes_on_as_it_would_have(method: str) -> None:
    definition = defined(method, WIDE)
    whole = tried(definition, 16)
    again = searching(definition, 0, [told for told, _ in whole[:15]])
    assert again.ask(15) == whole[15][0].places


@pytest.mark.parametrize("told", [15, 115])
def test_bayes_begun_again_knows_what_it_knew_and_what_is_under_way(told: int) -> None:
    definition = defined("bayes", WIDE)
    whole = tried(definition, told)
    first = searching(definition, 0, [one for one, _ in whole])
    running, _ = begun(first, told)
    again = searching(definition, 0, [*(one for one, _ in whole), running])
    expected = first.ask(told + 1)
    assert again.ask(told + 1) == expected != running.places
    ended = Told(told, running.places, "finished", 0.5, 1)
    for search in (first, again):
        search.tell(ended)
    assert again.ask(told + 2) == first.ask(told + 2)


def test_the_last_of_many_trials_is_chosen_as_quickly_as_the_first() -> None:
    definition = defined("bayes", WIDE)

    def cpu_s(told: int) -> float:
        before = [
            Told(one, {"x": one % 89 / 89, "z": one % 97 / 97}, "finished", one % 101, 1)
            for one in range(told)
        ]
        search = searching(definition, 0, before)
        began = time.process_time()
        for number in range(told, told + 20):
            search.ask(number)
        return time.process_time() - began

    assert cpu_s(3000) < 2.5 * cpu_s(300)


def test_the_best_are_remembered_however_long_ago_they_were() -> None:
    definition = defined("bayes", WIDE)
    best = [Told(one, {"x": 0.7, "z": 0.2}, "finished", -1.0, 1) for one in range(25)]
    rest = [
        Told(one, {"x": one % 89 / 200, "z": one % 97 / 97}, "finished", 1.0, 1)
        for one in range(25, 600)
    ]
    search = searching(definition, 0, best + rest)
    near = [abs((search.ask(number) or {})["x"] - 0.7) < 0.1 for number in range(600, 620)]
    assert sum(near) > 10


@pytest.mark.parametrize(("goal", "sign"), [("minimize", 1), ("maximize", -1)])
def test_tpe_comes_nearer_to_the_best_than_chance(goal: str, sign: int) -> None:
    def nearest(method: str) -> float:
        definition = defined(method, WIDE, goal)
        search, distances = searching(definition, 0, []), []
        for number in range(50):
            running, values = begun(search, number)
            distance = abs(values["x"] - 3)
            search.tell(Told(number, running.places, "finished", sign * distance, 1))
            distances.append(distance)
        return sum(sorted(distances)[:20])

    assert nearest("bayes") < 0.5 * nearest("random")


def test_failed_pruned_and_unknown_trials_can_be_told() -> None:
    search = searching(defined("bayes", WIDE), 0, [])
    for number, state in enumerate(["failed", "pruned", "interrupted", "pruned"]):
        running, _ = begun(search, number)
        value = 1.0 if number == 1 else None
        search.tell(Told(number, running.places, state, value, 3))
    never_asked = Told(9, {"x": 0.5, "z": 0.5}, "finished", 1.0, 1)
    search.tell(never_asked)
    assert begun(search, 10)[1].keys() == {"x", "z"}


def test_importance_names_what_mattered_and_nothing_of_too_few() -> None:
    definition = defined("random", WIDE)
    told = [one for one, _ in tried(definition, 60)]
    shares = importance(definition, told)
    assert list(shares) == ["x", "z"]
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["x"] > 0.8
    assert importance(definition, told[:5]) == {}
