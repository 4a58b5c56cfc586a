"""A pipeline as a DAG file: what it says, and what it refuses. `make airflow` runs one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import cloister as cl
from cloister.core.errors import BadInput
from cloister.pipelines.airflow import Caller, Exported, export
from cloister.pipelines.building import Pipeline
from cloister.pipelines.inside.loading import load
from cloister.pipelines.plan import Plan, describe, parse
from cloister.pipelines.target import Target, shape

HERE = Path(__file__).parent
FLOW = HERE.parent / "cli/airflow_flow.py"
CALLER = Caller(Path("/lab"), Path("/code"), "/venv/bin/python", "flow.py", ("cloister",))


@cl.task
def one() -> int:
    return 1


@cl.task(cache=False)
def ever_new() -> int:
    return 2


@cl.task(idempotent=False)
def once() -> int:
    return 3


@cl.task
def double(x: int) -> int:
    return 2 * x


def planned(pipeline: Pipeline) -> Plan:
    return parse(describe(pipeline, HERE)[0])


def written(pipeline: Pipeline) -> str:
    return export(planned(pipeline), CALLER).text


def test_as_many_runs_go_on_at_a_time_as_the_pipeline_says() -> None:
    for most, said in ((None, "max_active_runs=1,"), (3, "max_active_runs=3,")):
        with cl.pipeline("p", max_active_runs=most) as p:
            one()
        assert said in written(p)


def ward() -> Exported:
    return export(parse(load(str(FLOW), None, {}).plan), CALLER)


def test_the_file_is_the_one_that_was_looked_at() -> None:
    """Golden: `make airflow` has had Airflow run this very text, but for its folders."""
    assert ward().text == (HERE.parent / "golden/airflow-dag-1.py.txt").read_text()
    assert dict(ward().pools) == {"disk": 2}
    assert list(ward().assets) == ["dataset:data1"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "schedule=None"),
        ({"on": cl.every(hours=6)}, 'CronTriggerTimetable("0 */6 * * *", timezone="UTC")'),
        ({"on": cl.every(minutes=15)}, '("*/15 * * * *", timezone="UTC")'),
        ({"on": cl.every(hours=24)}, '("0 0 * * *", timezone="UTC")'),
        (
            {"on": [cl.cron("0 3 * * 1"), cl.cron("0 4 * * 2")]},
            'MultipleCronTriggerTimetable("0 3 * * 1", "0 4 * * 2", timezone="UTC")',
        ),
        ({"on": cl.asset("model:a")}, 'schedule=Asset("model:a")'),
        (
            {"on": [cl.asset("model:a"), cl.asset("dataset:b")]},
            'schedule=Asset("model:a") | Asset("dataset:b")',
        ),
        ({"on": cl.cron("0 3 * * *"), "misfire": "all"}, "catchup=True"),
    ],
)
def test_what_starts_it(options: dict[str, Any], said: str) -> None:
    with cl.pipeline("p", **options) as p:
        one()
    assert said in written(p)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"on": cl.every(hours=5)}, "p: every 18000 seconds cannot be said in Airflow"),
        ({"on": cl.every(seconds=30)}, "p: every 30 seconds cannot be said in Airflow"),
        ({"on": cl.cron("0 3 * * *"), "misfire": "skip"}, "p: misfire='skip' has no like"),
        ({"on": cl.cron("0 3 L * *")}, "p: cron 0 3 L * * UTC counts from the end of a month"),
        (
            {"on": [cl.cron("0 3 * * *"), cl.cron("0 3 * * *", zone="Asia/Tokyo")]},
            "p: its times are of several zones, Asia/Tokyo, UTC",
        ),
    ],
)
def test_a_start_that_airflow_does_not_have_is_refused(
    options: dict[str, Any], said: str
) -> None:
    with cl.pipeline("p", **options) as p:
        one()
    with pytest.raises(BadInput) as refused:
        export(planned(p), CALLER)
    assert said in refused.value.message


@pytest.mark.parametrize(("task", "word"), [(ever_new, "cache"), (once, "idempotent")])
def test_what_would_be_made_again_for_every_step_after_it_is_refused(
    task: Any, word: str
) -> None:
    with cl.pipeline("p") as alone:
        task()
    assert f'task_id="{task.name}"' in written(alone)
    with cl.pipeline("p") as p:
        double(task())
    with pytest.raises(BadInput, match=f"^step {task.name} says {word}=False, and other steps"):
        export(planned(p), CALLER)


def test_the_shape_is_of_steps_and_not_of_what_they_do() -> None:
    def made(count: int, name: str, cached: bool) -> str:
        with cl.pipeline("p") as p:
            cl.param("a", name)
            double.map([1] * count)
            if cached:
                one()
        return shape(planned(p))

    assert made(2, "x", True) == made(2, "y", True)
    assert made(2, "x", True) != made(3, "x", True) != made(3, "x", False)


def test_a_target_needs_what_it_waits_for_and_nothing_else() -> None:
    with cl.pipeline("p") as p:
        first = one()
        mapped = double.map([1, 2])
        double(first).after(mapped)
        double(7)
    plan = planned(p)
    names = [step.name for step in plan.steps]
    assert names == ["one", "double", "double-2", "double-3"]
    needed = Target.named(plan, "double-2").needed
    assert needed is not None
    assert [name for number, name in enumerate(names) if number in needed] == names[:3]
    assert Target.named(plan, "double[1]").part_of(1, 2) == 1
    with pytest.raises(BadInput, match=r"there is no \[2\]"):
        Target.named(plan, "double[2]").part_of(1, 2)
    for wrong, said in (("on", "no step on"), ("one[0]", "not mapped"), ("a[", "no step")):
        with pytest.raises(BadInput, match=said):
            Target.named(plan, wrong)
