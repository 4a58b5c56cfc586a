"""Claim: a pipeline that a service begins gets what whoever asked for it may use, no more."""

from __future__ import annotations

import json
import os
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from cloister.core.errors import NotAllowed, NotFound
from cloister.core.ids import FlowId
from cloister.pipelines import history
from cloister.workflows.lab import Lab
from cloister.workflows.people.members import remove_member
from cloister.workflows.people.projects import create_project
from cloister.workflows.pipelines import begin
from cloister.workflows.pipelines._kept import packed
from cloister.workflows.pipelines.run import FlowRequest
from cloister.workflows.pipelines.schedule import begin_due, due, schedule
from tests.conftest import write_scans
from tests.workflows.people.conftest import Team, founded, team

__all__ = ["founded", "team"]
FLOW = """
import cloister as cl

@cl.task
def names(scans):
    return len(list(scans.rglob("*.txt")))

with cl.pipeline("NAME", on=cl.every(seconds=10)):
    names(cl.dataset("kept"))
"""
AROUND = {"PATH": os.environ["PATH"]}


def quiet(*_: object) -> None:
    """Nobody looks on."""


def wanted(folder: Path, name: str) -> FlowRequest:
    (folder / "flow.py").write_text(FLOW.replace("NAME", name))
    return FlowRequest("flow.py", folder, AROUND, python=sys.executable)


def begun(lab: Lab, name: str) -> int:
    return len(lab.read(lambda tx: history.of_pipeline(tx, name)))


@pytest.fixture
def kept(team: Team) -> None:
    """Data of a project that engineers of the lab at large do not see."""
    if not (team.shell.folder / "kept").exists():
        create_project(team.lab, "inner")
        write_scans(team.shell.folder / "kept", 1, 1)
        where = ("--subject-pattern", "^(P[0-9]+)/", "--name", "kept")
        team.shell("--project", "inner", "add", "kept", *where)


@pytest.mark.usefixtures("kept")
def test_a_schedule_gives_no_data_that_whoever_made_it_does_not_see(
    team: Team, tmp_path: Path
) -> None:
    ada = team.member("ada", "engineer")
    schedule(ada, wanted(tmp_path, "sly"), quiet)
    team.clock.advance(timedelta(seconds=60))
    assert "sly" in due(team.lab, {})
    with pytest.raises(NotFound, match="kept"):
        begin_due(team.lab, "sly", AROUND, quiet, quiet)
    assert begun(team.lab, "sly") == 0


@pytest.mark.usefixtures("kept")
def test_the_schedule_of_somebody_who_left_begins_nothing(team: Team, tmp_path: Path) -> None:
    bo = team.member("bo", "engineer")
    schedule(bo, wanted(tmp_path, "orphan"), quiet)
    remove_member(team.lab, "bo")
    team.clock.advance(timedelta(seconds=60))
    with pytest.raises(NotAllowed, match="no member any more"):
        begin_due(team.lab, "orphan", AROUND, quiet, quiet)
    assert begun(team.lab, "orphan") == 0


@pytest.mark.usefixtures("kept")
def test_what_is_asked_for_in_a_browser_gets_no_data_that_its_person_does_not_see(
    team: Team, tmp_path: Path
) -> None:
    cy = team.member("cy", "engineer")
    wanted(tmp_path, "asked")
    request = FlowRequest("flow.py", tmp_path, {})
    flow = FlowId.new(team.lab.randomness)
    told = packed(request, flow=flow, person=cy.actor.person, verb="run")
    heard: list[bytes] = []
    with pytest.raises(NotFound, match="kept"):
        begin.perform(team.lab, begin.FLOW, told, AROUND, heard.append)
    assert begun(team.lab, "asked") == 0
    assert "kept" in json.loads(heard[0])["refused"]
