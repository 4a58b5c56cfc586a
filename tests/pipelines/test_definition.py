"""What a pipeline is made of, before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import cloister as cl
from cloister.core.errors import BadInput
from cloister.pipelines.building import (
    COLLECTING,
    Pipeline,
    Pipelines,
    depends_on,
    order,
)
from cloister.pipelines.nodes import Node
from cloister.pipelines.plan import describe, parse
from cloister.pipelines.triggers import Trigger

HERE = Path(__file__).parent


@cl.task
def one() -> int:
    return 1


@cl.task
def two() -> int:
    return 2


@cl.task
def double(x: int) -> int:
    return 2 * x


@cl.task
def add(x: int, y: int) -> int:
    return x + y


@cl.task
def quiet(note: str = "") -> str:
    return note


def waits(pipeline: Pipeline) -> dict[str, list[int]]:
    return {node.name: sorted(set(depends_on(node))) for node in pipeline.nodes}


def test_outside_of_a_pipeline_a_task_is_its_function() -> None:
    assert add(double(one()), 3) == 5


def test_a_step_as_an_argument_is_an_edge() -> None:
    with cl.pipeline("p") as p:
        add(double(one()), two())
    assert waits(p) == {"one": [], "double": [0], "two": [], "add": [1, 2]}


def test_arrows_order_and_feed_and_name_each_task_once() -> None:
    with cl.pipeline("p") as p:
        one >> double >> [quiet(note="done"), quiet(note="too")]
        [one, two] >> add
    assert waits(p)["double"] == [0]
    assert waits(p)["add"] == [0, 4]
    add_node = p.nodes[5]
    assert [add_node.given[name].name for name in ("x", "y")] == ["one", "two"]


def test_many_into_one_argument_are_a_list() -> None:
    with cl.pipeline("p") as p:
        [one, two] >> double
    assert [node.name for node in p.nodes[2].given["x"]] == ["one", "two"]


def test_after_orders_without_feeding() -> None:
    with cl.pipeline("p") as p:
        first = one()
        quiet().after(first)
    assert p.nodes[1].given == {}
    assert waits(p)["quiet"] == [0]


def build_ambiguous() -> None:
    [one, two, one(), one()] >> add


def build_unclear() -> None:
    one >> quiet


def build_branch() -> None:
    if one():
        two()


def build_loop() -> None:
    for _ in one():
        two()


def build_computed() -> None:
    double(one() + 1)


def build_compared() -> None:
    if one() > 2:
        two()


def build_item() -> None:
    double(one()["x"])


def build_path() -> None:
    double(Path("data.csv"))


def build_task() -> None:
    double(one)


def build_unkept() -> None:
    double({"a": [object()]})


def build_missing() -> None:
    add(1)


def build_extra() -> None:
    add(1, 2, 3)


def build_cycle() -> None:
    one >> two >> one


def build_map() -> None:
    add.map([1], [2])


def build_steps() -> None:
    double.map([one(), two()])


def build_when_mapped() -> None:
    with cl.when(double.map([0, 1])):
        two()


def build_unless_mapped() -> None:
    with cl.unless(double.map([0, 1]).collect()):
        two()


def build_when_known() -> None:
    with cl.when(True):  # type: ignore[arg-type]
        two()


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (build_ambiguous, "4 steps flow into add, which has 2 arguments free: x, y"),
        (build_unclear, ">> could feed quiet, or only order it: note may stay"),
        (build_branch, "one has no value yet: it is a step that will run"),
        (build_loop, "one cannot be taken apart yet"),
        (build_computed, "one has no value yet: it is a step that will run"),
        (build_compared, "one has no value yet"),
        (build_item, "one has no value yet"),
        (build_path, "a path of the host is no argument"),
        (build_task, "one is a task: call it to make a step of it"),
        (build_unkept, "double: a value of type builtins.object cannot be kept"),
        (build_missing, "add lacks its argument 'y'"),
        (build_extra, "add: too many positional arguments"),
        (build_cycle, "these steps wait for each other: one >> two >> one"),
        (build_steps, "double.map() goes through values, and this list holds steps"),
        (build_when_known, "when(STEP) takes a step"),
        (build_when_mapped, "double is mapped: it gives a list"),
        (build_unless_mapped, "double is mapped: it gives a list"),
        (build_map, "add.map() takes one list, or one step that gives a list; found x, y"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(build: Any, said: str) -> None:
    line = build.__code__.co_firstlineno
    with pytest.raises(BadInput) as caught:  # noqa: PT012 - the block is what is defined
        with cl.pipeline("p") as p:
            build()
        describe(p, HERE)
    message = caught.value.message
    assert said in message
    file, number, _ = message.split(":", 2)
    assert file == "test_definition.py"
    assert line < int(number) <= line + 3


def test_a_pipeline_without_a_step_is_no_pipeline() -> None:
    with (
        pytest.raises(BadInput, match=r"test_definition.py:\d+: p has no step"),
        cl.pipeline("p"),
    ):
        pass


def test_a_parameter_of_another_type_says_what_is_expected() -> None:
    token = COLLECTING.set(Pipelines({"n": "x", "flag": "maybe"}))
    try:
        with pytest.raises(BadInput, match="-p n=x: expected a whole number"), cl.pipeline("p"):
            cl.param("n", 3)
        with (
            pytest.raises(BadInput, match="flag=maybe: expected true or false"),
            cl.pipeline("p"),
        ):
            cl.param("flag", False)
    finally:
        COLLECTING.reset(token)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"retry": 3}, "a task has no setting 'retry'"),
        ({"retries": -1}, "retries is at least 0"),
        ({"cpu": 0}, "cpu is at least 1"),
        ({"retries": "3"}, "retries is a whole number, not '3'"),
        ({"timeout": "5m"}, "timeout is a number of seconds, not '5m'"),
        ({"cache": 3}, "cache is True or False, or a text, not 3"),
        ({"memory": True}, "memory is a whole number of MiB, not True"),
        ({"timeout": 0}, "timeout is a number of seconds above 0"),
        ({"fence": "none"}, "fence is warm or fresh, not 'none'"),
        ({"retries": 1, "idempotent": False}, "a task that is not idempotent has no retries"),
        ({"pool": "a b"}, "pool is a name and its places"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: Any, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        cl.task(**settings)(one.function)


def test_a_plan_comes_back_as_it_was_described() -> None:
    with cl.pipeline("p", on=[cl.asset("dataset:scans")], max_active_runs=2) as p:
        size = cl.param("size", 3, "how many")
        flag = double(size)
        with cl.when(flag), cl.group("inner"):
            a = double.map([1, 2])
        with cl.unless(flag):
            b = two()
        double(cl.either(a, b))
        quiet(cl.dataset("scans@2:site:train"))
    packed, tasks = describe(p, HERE)
    plan = parse(packed)
    assert [task.name for task in tasks] == ["double", "two", "quiet"]
    assert [step.name for step in plan.steps] == [
        "double", "inner.double", "two", "double-2", "quiet",
    ]  # fmt: skip
    assert plan.steps[1].over == "x"
    assert [c.wanted for step in plan.steps[1:3] for c in step.conditions] == [True, False]
    assert plan.steps[3].either
    assert plan.steps[4].datasets == ("scans@2:site:train",)
    assert plan.triggers == (Trigger("asset", "dataset:scans"),)
    assert plan.parameters[0]["kind"] == "int"
    assert plan.max_active_runs == 2


@pytest.mark.parametrize("most", [0, -1, True, "2", 1001])
def test_how_many_runs_go_on_at_a_time_is_a_number_from_one_on(most: Any) -> None:
    with pytest.raises(BadInput, match=r"definition\.py:\d+: max_active_runs is a number"):
        cl.pipeline("p", max_active_runs=most)


@pytest.mark.parametrize("cut", [0, 1, 10, 50, 100, -1])
def test_what_is_no_plan_is_refused(cut: int) -> None:
    with cl.pipeline("p") as p:
        double(one())
    packed, _ = describe(p, HERE)
    with pytest.raises(BadInput, match="no plan"):
        parse(packed[:cut])


def test_a_long_chain_is_put_in_order() -> None:
    with cl.pipeline("p") as p:
        before: Node = double(1)
        for _ in range(2000):
            before = double(before)
    assert order(p.nodes) == list(range(2001))
