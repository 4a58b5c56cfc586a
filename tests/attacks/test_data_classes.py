"""Claim: what came of data is of the highest class that its data had since, wherever it is
shown or asked for; nobody lowers a class alone in passing, and policies hold by it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from cloister.core.errors import BadInput, Conflict, NotAllowed
from cloister.datasets.classes import DataClass
from cloister.testing.onnx_models import linear
from cloister.workflows import get, overview
from cloister.workflows.data.classify import classify
from cloister.workflows.models.prove import prove
from cloister.workflows.people.policies import set_policies
from cloister.workflows.tracking import artifacts
from cloister.workflows.tracking.visit import Visit
from tests.cli.gateway import gateway
from tests.conftest import Shell, new_lab, write_scans
from tests.workflows.people.conftest import Team, opened_team

PATTERN = ("--subject-pattern", "^(P[0-9]+)/")
TRAIN = """
import shutil, mlflow
with mlflow.start_run() as run:
    mlflow.log_text("weights", "weights.txt")
shutil.copy("seed.onnx", "made.onnx")
print(run.info.run_id)
"""
OWN = """
@id("researchers-export")
permit (principal in Role::"researcher", action == Action::"export", resource);
@id("researchers-read")
permit (principal in Role::"researcher", action == Action::"read", resource);
@id("not-of-patients")
forbid (principal in Role::"researcher", action in [Action::"export", Action::"read"], resource)
when { resource has data_class && resource.data_class == "identifiable" };
"""


@dataclass
class Story:
    """Two datasets, one lowered and one raised after runs had read them."""

    shell: Shell
    runs: dict[str, str] = field(default_factory=dict)
    before: dict[str, str] = field(default_factory=dict)
    tracked: str = ""


def classes(shell: Shell) -> dict[str, str]:
    return {one["run"]: one["class"] for one in shell.json("ls", "--runs")}


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    with new_lab() as shell:
        for name, said in (("scans", ()), ("ages", ("--class", "pseudonymous"))):
            write_scans(shell.folder / name, 2, 1)
            shell("add", name, "--name", name, *PATTERN, *said)
        (shell.folder / "train.py").write_text(TRAIN)
        (shell.folder / "seed.onnx").write_bytes(linear())
        told = Story(shell)
        python = ("--", "python", "-W", "ignore", "train.py")
        told.tracked = shell("run", "--data", "ages", *python).stdout.strip()
        shell("run", "--data", "ages", "--data", "scans", "--", "true")
        shell("run", "--data", "scans", "--", "true")
        shell("run", "--", "true")
        told.before = classes(shell)
        reason = ("--reason", "no person is told from these")
        shell("dataset", "classify", "scans", "internal", *reason)
        shell("dataset", "classify", "ages", "identifiable", "--reason", "names were found")
        shell("run", "--data", "scans", "--", "true")
        names = ("of ages", "of both", "of scans", "of none", "of scans, later")
        listed = [one["run"] for one in shell.json("ls", "--runs")]
        told.runs = dict(zip(names, listed, strict=True))
        yield told


@pytest.fixture
def team(story: Story) -> Iterator[Team]:
    with opened_team(story.shell) as made:
        yield made


def test_a_run_is_of_the_highest_class_of_its_data(story: Story) -> None:
    assert [*story.before.values()] == ["pseudonymous", "identifiable", "identifiable", "-"]
    datasets = {one["dataset"]: one["class"] for one in story.shell.json("ls")}
    assert datasets == {"ages": "identifiable", "scans": "internal"}


def test_what_was_made_before_is_raised_and_never_lowered(story: Story) -> None:
    now = {name: classes(story.shell)[run] for name, run in story.runs.items()}
    assert now == {
        "of ages": "identifiable",
        "of both": "identifiable",
        "of scans": "identifiable",
        "of none": "-",
        "of scans, later": "internal",
    }


def test_models_tracked_runs_and_proofs_say_it(story: Story, team: Team) -> None:
    (model,) = overview.list_models(team.lab)
    assert model.data_class == DataClass.IDENTIFIABLE
    with gateway(story.shell) as up, up.client() as client:
        asked = {"run_id": story.tracked}
        found = client.get("/api/2.0/mlflow/runs/get", params=asked).json()["run"]
    tags = {one["key"]: one["value"] for one in found["data"]["tags"]}
    assert tags["cloister.data_class"] == "identifiable"
    folder = story.shell.folder / "proof"
    proven = prove(team.lab, story.runs["of ages"], folder)
    assert proven.data_class == DataClass.IDENTIFIABLE
    said = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert b"names were found" in said


def test_who_may_add_may_raise_and_not_lower(team: Team) -> None:
    eve = team.member("eve", "engineer")
    with pytest.raises(NotAllowed, match="classify"):
        classify(eve, "ages", DataClass.PUBLIC, "wants to take them home")
    with pytest.raises(Conflict):
        classify(eve, "ages", DataClass.IDENTIFIABLE, "again")


def test_an_admin_who_left_the_session_open_lowers_nothing(team: Team) -> None:
    team.member("ada", "admin")
    with pytest.raises(NotAllowed, match="show again who you are"):
        classify(team.again("ada", present=False), "ages", DataClass.PUBLIC, "in passing")


@pytest.mark.parametrize("reason", ["", "  ", "x" * 201, "P001 agreed", "two\nlines"])
def test_a_reason_says_why_and_not_who(team: Team, reason: str) -> None:
    with pytest.raises(BadInput):
        classify(team.lab, "ages", DataClass.PSEUDONYMOUS, reason)


def test_adding_more_does_not_lower_in_passing(story: Story) -> None:
    said = story.shell("add", "ages", *PATTERN, "--class", "public", status=2).stderr
    assert "cloister dataset classify ages public" in said


def test_a_policy_keeps_in_what_is_identifiable(story: Story, team: Team) -> None:
    rob = team.member("rob", "researcher")
    set_policies(team.lab, OWN)
    try:
        records = {
            name: overview.list_records(team.lab, name)[0].record.record
            for name in ("ages", "scans")
        }
        with get.get_record(rob, records["scans"]) as content:
            assert b"".join(content.chunks).startswith(b"patient")
        address = f"0/{story.tracked}/artifacts/weights.txt"
        for taken in (
            lambda: get.get_record(rob, records["ages"]).__enter__(),
            lambda: get.get_output(rob, story.runs["of both"], "log").__enter__(),
            lambda: artifacts.get(Visit(rob), address),
        ):
            with pytest.raises(NotAllowed, match="not-of-patients"):
                taken()
        with get.get_output(rob, story.runs["of scans, later"], "log") as content:
            assert b"".join(content.chunks) == b""
    finally:
        set_policies(team.lab, "")


def test_the_record_is_whole(team: Team) -> None:
    assert team.whole()
