"""`cloister reproduce` of a task: its call again, with the values that it took."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.cli.flows import MAIN
from tests.conftest import Shell, add_scans, new_lab

MORE = """
import random
import cloister as cl

@cl.task
def numbers(): return [1, 2, 3]

@cl.task
def square(x): return {"square": x * x}

@cl.task
def total(of): return sum(one["square"] for one in of)

@cl.task
def chance(): return random.random()

@cl.task
def fails(): raise ValueError

with cl.pipeline("more"):
    total(square.map(numbers()))
    chance()
    fails()
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Shell]:
    with new_lab() as shell:
        add_scans(shell)
        (shell.folder / "code").mkdir()
        (shell.folder / "code/flow.py").write_text(MAIN)
        (shell.folder / "code/more.py").write_text(MORE)
        shell("pipeline", "run", "flow.py", "--workdir", "code")
        shell("pipeline", "run", "more.py", "--workdir", "code", status=1)
        # Nothing of the folder is needed: the record has it.
        (shell.folder / "code/flow.py").write_text("raise SystemExit")
        (shell.folder / "code/more.py").unlink()
        yield shell


def run_of(lab: Shell, pipeline: str, step: str) -> str:
    rows = lab.json("pipeline", "show", pipeline)["tasks"]
    return next(str(one["run"]) for one in rows if one["step"] == step)


def reproduced(lab: Shell, pipeline: str, step: str, status: int) -> dict[str, Any]:
    words = ("reproduce", run_of(lab, pipeline, step))
    found: dict[str, Any] = lab.json(*words, status=status)
    return found


@pytest.mark.parametrize(
    ("pipeline", "step"),
    [
        ("ward", "download"),  # takes data
        ("ward", "train"),  # takes a value, leaves a model
        ("ward", "serve"),  # takes a file, in the shared fence
        ("more", "square[1]"),
        ("more", "total"),
    ],
)
def test_a_task_is_made_again_from_the_record_alone(
    lab: Shell, pipeline: str, step: str
) -> None:
    before = lab.sql("SELECT COUNT(*) FROM flow_attempt")
    found = reproduced(lab, pipeline, step, status=0)
    assert found["verdict"] == "IDENTICAL"
    assert lab.sql("SELECT COUNT(*) FROM flow_attempt") == before  # a replay is no attempt


def test_a_task_of_chance_is_found_to_differ_from_itself(lab: Shell) -> None:
    found = reproduced(lab, "more", "chance", status=11)
    assert (found["verdict"], found["cause"]) == ("DIFFERENT", "nondeterminism")


def test_a_task_that_failed_left_nothing_to_compare(lab: Shell) -> None:
    said = lab("reproduce", run_of(lab, "more", "fails"), status=2).stderr
    assert "gave nothing" in said


def test_after_an_erasure_a_task_that_only_took_values_is_unreproducible_too(
    lab: Shell,
) -> None:
    replays = [row[0] for row in lab.sql("SELECT run FROM run_link")]
    traced = {one["run"] for one in lab.json("trace", "P000")["runs"]}
    assert traced.intersection(replays)
    lab("erase", "-", "--reason", "withdrawn", "--yes", typed="P000\n")
    assert reproduced(lab, "ward", "serve", status=12)["verdict"] == "UNREPRODUCIBLE"
    lab("audit")
