"""Claim: a run of a pipeline is stopped, and a schedule held, by who may; by nobody else."""

from __future__ import annotations

import pytest

from cloister.core.errors import NotAllowed, NotFound
from cloister.workflows.people.projects import create_project
from cloister.workflows.pipelines.schedule import find, pause, unpause
from cloister.workflows.pipelines.stop import stop_flow
from tests.cli.flows import CHAIN
from tests.conftest import Shell
from tests.workflows.people.conftest import Team, founded, team

__all__ = ["founded", "team"]


@pytest.fixture
def chain(founded: Shell) -> str:
    """A pipeline that ran, and starts by itself."""
    (founded.folder / "chain.py").write_text(
        CHAIN.replace('pipeline("chain")', 'pipeline("chain", on=cl.every(hours=1))')
    )
    founded("pipeline", "schedule", "chain.py", "--workdir", str(founded.folder))
    ran = founded.json("pipeline", "run", "chain.py", "--workdir", str(founded.folder))
    return str(ran["flow"])


def test_anothers_run_of_a_pipeline_is_stopped_by_an_admin_alone(
    chain: str, team: Team
) -> None:
    bo, chief = team.member("bo", "engineer"), team.member("chief", "admin")
    with pytest.raises(NotAllowed, match="another person's run"):
        stop_flow(bo, chain)
    assert stop_flow(chief, chain).state == "finished"


def test_a_pipeline_of_another_project_is_not_there(chain: str, team: Team) -> None:
    create_project(team.lab, "theirs")
    outsider = team.member("outsider", "engineer", "theirs")
    with pytest.raises(NotFound):
        stop_flow(outsider, chain)
    for act in (find, pause, unpause):
        with pytest.raises(NotFound):
            act(outsider, "chain")
    auditor = team.member("auditor", "auditor")
    with pytest.raises(NotAllowed):
        pause(auditor, "chain")
    assert find(team.lab, "chain").paused is None
