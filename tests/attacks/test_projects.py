"""Claim: whoever is no member of a project does not see that its objects exist.

Every way to name, list, read, run on, serve or prove them answers as for what was never there;
and no run carries one project's data into another.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloister.core.errors import BadInput, CloisterError, NotFound
from cloister.policy import Action
from cloister.testing.onnx_models import linear
from cloister.workflows import get, overview
from cloister.workflows.data import curate
from cloister.workflows.data.check import CheckRequest, check
from cloister.workflows.data.retract import retract
from cloister.workflows.lab import Lab
from cloister.workflows.models.prove import prove
from cloister.workflows.models.serve import ServeRequest, verified_model
from cloister.workflows.people.projects import create_project, in_project
from cloister.workflows.runs._attaching import attach
from tests.conftest import write_scans
from tests.workflows.people.conftest import Team

PATTERN = ("--subject-pattern", "^(P[0-9]+)/")


@pytest.fixture
def two(own_team: Team) -> Team:
    """Projects `a` and `b`, each with a dataset and a run that left a model."""
    shell = own_team.shell
    for name in ("a", "b"):
        create_project(own_team.lab, name)
        write_scans(shell.folder / name / "scans", patients=2, each=1)
        shell("--project", name, "add", f"{name}/scans", "--name", f"of-{name}", *PATTERN)
    (shell.folder / "seed.onnx").write_bytes(linear())
    shell("run", "--data", "of-a", "--", "cp", "seed.onnx", "made.onnx")
    own_team.member("ann", "engineer", "a")
    own_team.member("ben", "engineer", "b")
    return own_team


def run_of_a(team: Team) -> str:
    found: str = overview.list_runs(team.again("ann"))[0].run.run
    return found


def test_lists_hold_what_is_seen_and_nothing_else(two: Team) -> None:
    ann, ben = two.again("ann"), two.again("ben")
    assert [line.name for line in overview.list_datasets(ann)] == ["of-a"]
    assert [line.name for line in overview.list_datasets(ben)] == ["of-b"]
    assert [len(overview.list_runs(who)) for who in (ann, ben)] == [1, 0]
    assert [len(overview.list_models(who)) for who in (ann, ben)] == [1, 0]
    assert len(overview.list_datasets(two.lab)) == 2  # admins see every project
    shell = two.shell
    assert [row["dataset"] for row in shell.json("--project", "b", "ls")] == ["of-b"]
    assert shell.json("--project", "b", "ls", "--runs") == []
    assert two.whole()


def test_whatever_is_asked_of_another_projects_object_it_is_not_there(two: Team) -> None:
    ann, ben = two.again("ann"), two.again("ben")
    run = run_of_a(two)
    record = overview.list_records(ann, "of-a")[0].record.record
    place = two.shell.folder / "taken"

    def asks(lab: Lab, data: str, of: str, one: str) -> list[Any]:
        return [
            lambda: overview.list_records(lab, data),
            lambda: overview.list_records(lab, data, quarantined=True),
            lambda: overview.list_versions(lab, data),
            lambda: overview.list_outputs(lab, of),
            lambda: overview.run_standing(lab, of),
            lambda: get.get_version(lab, data, place),
            lambda: get.get_record(lab, one).__enter__(),
            lambda: get.get_output(lab, of, "made.onnx").__enter__(),
            lambda: check(lab, CheckRequest(data)),
            lambda: curate.tag(lab, data, "mine"),
            lambda: curate.diff(lab, data, data),
            lambda: retract(lab, data),
            lambda: attach(lab, ("true",), two.shell.folder, [data]),
            lambda: verified_model(lab, ServeRequest(of)),
            lambda: prove(lab, of, place),
        ]

    hidden = [said(ask) for ask in asks(ben, "of-a", run, record)]
    absent = [said(ask) for ask in asks(ben, "of-x", "run_" + "a" * 16, "rec_" + "a" * 16)]
    for one, other in zip(hidden, absent, strict=True):
        assert plain(one) == plain(other)
    assert not place.exists()
    assert said(asks(ben, "of-a", "last", record)[3]) == "there is no run yet"


def said(ask: Any) -> str:
    """What is said to somebody for whom it is not there."""
    with pytest.raises(CloisterError) as caught:
        ask()
    assert type(caught.value) is NotFound, caught.value
    return f"{caught.value.message}"


def plain(text: str) -> str:
    """The same, without the name that was asked for."""
    return re.sub(r"of-\w|(run|rec)_\w+", "NAME", text)


def test_a_folder_named_on_the_command_line_gives_no_other_projects_data(two: Team) -> None:
    folder = two.shell.folder
    given = attach(two.again("ben"), ("cat", str(folder / "a/scans")), folder, [])
    assert given.given == ()
    assert "of-a" in given.withheld  # and its plaintext is hidden from the job
    assert attach(two.again("ann"), ("cat", str(folder / "a/scans")), folder, []).given


def test_an_add_to_another_projects_folder_is_refused(two: Team) -> None:
    again = two.shell("--project", "b", "add", "a/scans", *PATTERN, status=2)
    assert "E101" in again.stderr
    assert two.shell.json("ls", "of-a", "--versions")[-1]["version"] == 1


def test_no_run_carries_data_from_one_project_into_another(two: Team) -> None:
    both = ("run", "--data", "of-a", "--data", "of-b", "--", "true")
    assert "several projects" in two.shell(*both, status=2).stderr
    assert len(overview.list_runs(two.lab)) == 1


def test_a_run_and_its_replay_belong_with_their_data(two: Team) -> None:
    run = run_of_a(two)
    two.shell("reproduce", run, status=None)
    assert overview.list_runs(two.again("ben")) == []
    assert len(overview.list_runs(two.again("ann"))) > 1


def test_who_makes_something_in_several_projects_says_in_which(two: Team) -> None:
    ann = two.again("ann")
    seen = ann.actor.projects
    assert seen is not None
    wide = replace(ann, actor=replace(ann.actor, projects=seen | {"prj_bbbbbbbbbbbbbbbb"}))
    from cloister.workflows._seen import own_project

    with pytest.raises(BadInput, match="several projects"):
        own_project(wide)
    assert own_project(in_project(wide, "a")) in seen


def test_a_forbid_of_the_lab_can_name_a_project(two: Team) -> None:
    (project,) = two.again("ann").actor.projects or ()
    text = (
        '@id("a-stays") forbid (principal, action == Action::"export", resource)'
        f' when {{ resource has project && resource.project == "{project}" }};'
    )
    (two.shell.folder / "stays.cedar").write_text(text)
    two.shell("policy", "set", "stays.cedar")
    refused = two.shell("get", "of-a", "-o", "out", status=3)
    assert "a-stays" in refused.stderr
    two.shell("get", "of-b", "-o", "out")
    assert Path(two.shell.folder / "out").is_dir()
    assert two.lab.may(Action.EXPORT)
    shutil.rmtree(two.shell.folder / "out")


def test_a_project_that_is_not_ones_own_cannot_be_named(two: Team) -> None:
    assert "E101" in two.shell("--project", "nothing", "ls", status=2).stderr
    with pytest.raises(NotFound):
        in_project(two.again("ben"), "a")
