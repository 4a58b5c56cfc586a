"""One lab for a module: a member of each role, logged in, and two projects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cloister.policy import PERSONS
from cloister.workflows.people.projects import create_project
from cloister.workflows.people.tokens import issue_token
from tests.conftest import new_lab
from tests.web.people.browser import Person, application, desk_of, joined
from tests.workflows.people.conftest import Team, opened_team


@pytest.fixture(scope="module")
def team() -> Iterator[Team]:
    """A lab with the projects `ours` and `theirs`."""
    with new_lab() as shell, opened_team(shell) as team:
        for name in ("ours", "theirs"):
            create_project(team.lab, name)
        yield team


@pytest.fixture(scope="module")
def app(team: Team) -> Any:
    """Its pages and the console's interface."""
    return application(desk_of(team))


@pytest.fixture(scope="module")
def people(team: Team, app: Any) -> dict[str, Person]:
    """Role -> `the ROLE`, a member of project `ours`."""
    return {role: joined(team, app, f"the {role}", role, "ours") for role in PERSONS}


def bearer(team: Team, role: str, scopes: frozenset[str] | None = None) -> dict[str, str]:
    """The header of a new token of `the ROLE`."""
    secret = issue_token(team.again(f"the {role}"), "matrix", scopes).secret
    return {"authorization": f"Bearer {secret}"}
