"""Labels as tasks see them: of their version, of their part, and of nobody who was erased."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import pytest

from tests.conftest import Shell, add_scans, new_lab

FLOW = """
import cloister as cl

@cl.task
def look(labels):
    return labels.read_text()

with cl.pipeline("seen"):
    cl.shell("cat {table}", name="files")(table=cl.labels_of("data1"))
    with cl.group("train"):
        look(cl.labels_of("data1:fold:train"))
    with cl.group("test"):
        look(cl.labels_of("data1:fold:test"))
    with cl.group("table"):
        look(cl.labels_of("study"))
    with cl.group("first"):
        look(cl.labels_of("data1@1"))
"""
STEPS = ("files", "train.look", "test.look", "table.look", "first.look")


@pytest.fixture(scope="module")
def lab() -> Iterator[Shell]:
    with new_lab() as shell:
        add_scans(shell)
        relabel(shell, "path,finding,sure", "P000/0.txt,sick,yes", "P001/2.txt,well,")
        shell("dataset", "split", "data1", "fold", "--parts", "train=0.5,test=0.5")
        study = shell.folder / "study/visits.csv"
        study.parent.mkdir()
        study.write_text("patient,visit,outcome\nQ1,1,alive\nQ2,1,dead\nQ1,2,alive\n")
        about = ("--subject-column", "patient", "--label-column", "outcome")
        shell("add", "study", *about, "--name", "study")
        (shell.folder / "code").mkdir()
        (shell.folder / "code/flow.py").write_text(FLOW)
        yield shell


def relabel(shell: Shell, *lines: str) -> None:
    (shell.folder / "labels.csv").write_text("\n".join(lines) + "\n")
    shell("relabel", "data1", "--labels", "labels.csv")


def seen(shell: Shell, *steps: str) -> dict[str, str]:
    """What the tasks of these steps read."""
    shell("pipeline", "run", "flow.py", "--workdir", "code")
    texts = {one: shell("get", runs(shell)[one], ".cloister/value").stdout for one in steps}
    return {step: text[text.index("path,") :] for step, text in texts.items()}


def runs(shell: Shell) -> dict[str, str]:
    return {one["step"]: one["run"] for one in shell.json("pipeline", "show")["tasks"]}


def lines(table: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(table)))


def test_a_task_sees_the_labels_of_its_version_and_of_its_part_alone(lab: Shell) -> None:
    found = seen(lab, *STEPS)
    assert found["files"] == (
        "path,subject,finding,sure\nP000/0.txt,,sick,yes\nP001/2.txt,,well,\n"
    )
    assert found["table.look"] == (
        "path,subject,outcome\nvisits.csv,Q1,alive\nvisits.csv,Q2,dead\n"
    )
    assert found["first.look"] == "path,subject\n"
    parts = [lines(found[step]) for step in ("train.look", "test.look")]
    both = [one["path"] for part in parts for one in part]
    assert sorted(both) == ["P000/0.txt", "P001/2.txt"]


def test_new_labels_make_again_what_sees_them_and_nothing_else(lab: Shell) -> None:
    seen(lab)
    relabel(lab, "path,finding", "P001/2.txt,sick")
    found = seen(lab, "files")
    assert [one["finding"] for one in lines(found["files"])] == ["sick", "sick"]
    states = {o["step"]: o["state"] for o in lab.json("pipeline", "show")["tasks"]}
    assert {states["table.look"], states["first.look"]} == {"reused"}
    assert states["files"] == "done"
    assert "data1" in lab("why", "files").stdout


def test_a_task_that_saw_labels_is_made_again_from_the_record(lab: Shell) -> None:
    seen(lab)
    run = runs(lab)["files"]
    relabel(lab, "path,finding", "P001/2.txt,well")  # a later version: none of its business
    assert lab.json("reproduce", run)["verdict"] == "IDENTICAL"


def test_labels_of_a_patient_who_was_erased_are_gone(lab: Shell) -> None:
    lab("erase", "-", "--reason", "withdrawn", "--yes", typed="P001\n")
    assert [one["path"] for one in lines(seen(lab, "files")["files"])] == ["P000/0.txt"]
    lab("audit")
