"""Lineage both ways, and models: what made each and how it is proved."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from cloister.core.errors import BadInput, NotAllowed, NotFound
from cloister.workflows.models.prove import prove_archive
from cloister.workflows.people.projects import create_project
from cloister.workflows.views import data, lineage, models
from cloister.workflows.views.lineage import Lineage
from tests.conftest import ROOT
from tests.workflows.people.conftest import Team
from tests.workflows.views.furnished import furnished, team

__all__ = ["furnished", "team"]


def kinds(found: Lineage) -> dict[str, int]:
    counted: dict[str, int] = {}
    for one in found.nodes:
        counted[one.kind] = counted.get(one.kind, 0) + 1
    return counted


def whole(found: Lineage) -> None:
    """Every edge joins two nodes, and goes forward."""
    column = {one.id: one.column for one in found.nodes}
    assert found.focus in column
    for edge in found.edges:
        assert column[edge.source] <= column[edge.target]


def test_a_version_shows_whose_it_is_and_what_came_of_it(team: Team) -> None:
    found = lineage.lineage(team.lab, "version", "scans@1")
    whole(found)
    assert kinds(found) == {"subjects": 1, "records": 1, "version": 1, "run": 1, "model": 1}
    titles = {one.kind: one.title for one in found.nodes}
    assert (titles["subjects"], titles["records"]) == ("6 subjects", "12 records")


def test_a_run_and_its_model_show_the_same_line(team: Team) -> None:
    (line,) = models.models(team.lab)
    by_run = lineage.lineage(team.lab, "run", line.run)
    by_model = lineage.lineage(team.lab, "model", line.sha256)
    whole(by_run)
    whole(by_model)
    assert set(by_run.nodes) == set(by_model.nodes)
    assert by_model.focus == f"model:{line.sha256}"


def test_runs_beyond_a_screenful_stand_together(team: Team) -> None:
    found = lineage.of_version(team.lab, "scans@1", most=0)
    whole(found)
    (crowd,) = [one for one in found.nodes if one.kind == "runs"]
    assert (crowd.count, dict(crowd.facts)) == (1, {"finished": "1", "models": "1"})


def test_one_patient_is_traced_by_who_may(team: Team) -> None:
    subject = str(data.record_page(team.lab, "scans@1", most=1).items[0].subject)
    found = lineage.lineage(team.lab, "subject", subject)
    whole(found)
    assert kinds(found) == {"subject": 1, "records": 1, "version": 2, "run": 1, "model": 1}
    with pytest.raises(NotAllowed):
        lineage.lineage(team.member("trains", "engineer"), "subject", subject)


def test_what_has_no_lineage_is_said(team: Team) -> None:
    with pytest.raises(BadInput):
        lineage.lineage(team.lab, "person", "x")
    for kind, name in (
        ("version", "nothing@1"),
        ("run", "run_x"),
        ("model", "0" * 64),
        ("deployment", "dep_aaaaaaaaaaaaaaaa"),
        ("subject", "sub_aaaaaaaaaaaaaaaa"),
    ):
        with pytest.raises(NotFound):
            lineage.lineage(team.lab, kind, name)


def test_a_model_says_what_made_it(team: Team) -> None:
    (line,) = models.models(team.lab)
    assert (line.proof, line.tainted, line.withdrawn) == ("signed", 0, False)
    assert line.inputs == ("scans@1",)
    card = models.model(team.lab, line.sha256[:12])
    assert card.line == line
    assert card.made.inputs == (("scans@1", "", 12, 6),)
    assert card.made.state == "finished"
    assert card.statement is not None
    assert card.may_prove
    assert models.registered(team.lab) == ()


def test_another_projects_member_sees_no_model_and_no_line(team: Team) -> None:
    create_project(team.lab, "faraway")
    outsider = team.member("from far away", "engineer", "faraway")
    (line,) = models.models(team.lab)
    assert models.models(outsider) == ()
    with pytest.raises(NotFound):
        models.model(outsider, line.sha256)
    for kind, name in (("version", "scans@1"), ("run", line.run), ("model", line.sha256)):
        with pytest.raises(NotFound):
            lineage.lineage(outsider, kind, name)


def test_a_bundle_that_is_sent_while_it_is_made_is_verified(team: Team, tmp_path: Path) -> None:
    (line,) = models.models(team.lab)
    made = prove_archive(team.lab, line.run)
    with zipfile.ZipFile(io.BytesIO(b"".join(made.chunks))) as archive:
        archive.extractall(tmp_path)
    done = subprocess.run(
        [
            sys.executable,
            ROOT / "src/cloister_verify.py",
            tmp_path / f"bundle-{line.run}",
            "--trust",
            team.shell.home / "cloister-lab/lab.pub",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
