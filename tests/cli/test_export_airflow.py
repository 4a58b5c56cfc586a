"""`cloister export airflow` and `cloister pipeline step`, as Airflow's tasks call it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Shell, new_lab, write_scans

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def ward() -> Iterator[Shell]:
    """A lab with data of two patients, and the pipeline that `make airflow` exports."""
    with new_lab() as shell:
        write_scans(shell.folder / "scans", 2, 2)
        shell("add", "scans", "--subject-pattern", "^(P[0-9]+)/", "--name", "data1")
        (shell.folder / "code").mkdir()
        shutil.copy(HERE / "airflow_flow.py", shell.folder / "code/flow.py")
        yield shell


def step(shell: Shell, name: str, *words: str, **options: Any) -> dict[str, Any]:
    """What a task of Airflow hears."""
    words = ("pipeline", "step", "flow.py", name, "--workdir", "code", *words)
    found: dict[str, Any] = shell.json(*words, **options)
    return found


def test_every_task_of_the_file_makes_its_step(ward: Shell) -> None:
    """In the order of the DAG, with what the DAG passes; Airflow itself: `make airflow`."""
    said = ward.json("export", "airflow", "flow.py", "--workdir", "code", "-o", "ward.py")
    assert (said["steps"], said["pools"]) == (14, {"disk": 2})
    text = (ward.folder / "ward.py").read_text()
    shape = re.findall(r'^SHAPE = "(\w+)"$', text, re.M)[0]
    assert re.findall(r'^PIPELINE = "(.*)"$', text, re.M) == ["flow.py:ward"]
    told = {}
    for name in ("scans", "clean[0]", "train", "alarm", "side.nothing"):
        told[name] = step(ward, name, "--shape", shape, "-p", "epochs=3", "-p", "due=")
    assert told["scans"]["items"] == 4
    assert told["side.nothing"]["items"] == 0
    assert told["train"]["items"] is None
    states = {name: one["state"] for name, one in told.items()}
    assert states == dict.fromkeys(states, "done") | {"alarm": "left-out"}
    # All of it is there by now, made once each.
    again = ward.json("pipeline", "run", "flow.py", "--workdir", "code")
    assert (again["reused"], again["left_out"]) == (12, 2)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("trian", "next: train?"),
        ("check[0]", "check is not mapped"),
        ("clean[9]", "its list has 4 items: there is no [9]"),
    ],
)
def test_a_step_that_is_not_there_is_told(ward: Shell, name: str, said: str) -> None:
    words = ("pipeline", "step", "flow.py", name, "--workdir", "code")
    done = ward(*words, status=None)
    assert done.returncode in (1, 2)
    assert said in done.stdout + done.stderr


def test_an_export_of_a_run_is_as_ever_and_no_file_of_others_is_written_over(
    ward: Shell,
) -> None:
    failed = ward("export", "no_such_run", status=2)
    assert "no_such_run" in failed.stderr
    before = (ward.folder / "code/flow.py").read_bytes()
    words = ("export", "airflow", "flow.py", "--workdir", "code", "-o", "code/flow.py")
    assert "is there, and no DAG" in ward(*words, status=2).stderr
    assert (ward.folder / "code/flow.py").read_bytes() == before
    for _ in range(2):
        ward("export", "airflow", "flow.py", "--workdir", "code", "-o", "again.py")
