"""Claim: a token does what its person may today, within its scope and time, and nothing grave.

Nobody gets a role, a project or a token by asking for it who may not decide about people.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from cloister.core.errors import BadInput, NotAllowed, NotFound
from cloister.policy import Action, decide
from cloister.workflows.people import projects
from cloister.workflows.people.members import add_member, change_member, remove_member
from cloister.workflows.people.tokens import (
    actor_of_token,
    issue_token,
    list_tokens,
    revoke_token,
)
from tests.workflows.people.conftest import Team


@pytest.mark.parametrize("role", ["engineer", "researcher", "annotator", "auditor", "site"])
def test_nobody_but_an_admin_decides_about_people(team: Team, role: str) -> None:
    them = team.member(f"by-{role}", role)
    for attempt in (
        lambda: add_member(them, "x", "admin"),
        lambda: change_member(them, f"by-{role}", "admin"),
        lambda: remove_member(them, f"by-{role}"),
        lambda: projects.create_project(them, "x"),
        lambda: issue_token(them, "x", whose="by-admin"),
    ):
        with pytest.raises(NotAllowed):
            attempt()


def test_a_token_stands_for_its_person_as_they_are_today(team: Team) -> None:
    them = team.member("tina", "engineer")
    made = issue_token(them, "notebook")
    actor = actor_of_token(team.lab, made.secret)
    assert actor is not None
    assert (actor.role, actor.via, actor.present) == ("engineer", f"token:{made.token}", False)
    change_member(team.lab, "tina", "annotator")
    weaker = actor_of_token(team.lab, made.secret)
    assert weaker is not None
    assert not decide(weaker, Action.RUN).allowed


def test_a_token_ends_by_time_by_revoking_and_with_its_person(team: Team) -> None:
    them = team.member("tom", "engineer")
    short, revoked, last = (issue_token(them, "x", days=days) for days in (1, 9, 9))
    revoke_token(them, revoked.token)
    team.clock.advance(timedelta(days=1))
    for gone in (short, revoked):
        assert actor_of_token(team.lab, gone.secret) is None
    assert actor_of_token(team.lab, last.secret) is not None
    remove_member(team.lab, "tom")
    assert actor_of_token(team.lab, last.secret) is None
    states = {line.token.token: line.state for line in list_tokens(team.lab)}
    assert [states[one.token] for one in (short, revoked, last)] == ["revoked"] * 3
    assert team.whole()


def test_a_token_makes_no_tokens_and_nothing_grave(team: Team) -> None:
    them = team.member("tess", "admin")
    made = issue_token(them, "all of it")
    away = team.again("tess", present=False)
    assert actor_of_token(team.lab, made.secret) is not None
    with pytest.raises(NotAllowed):
        issue_token(away, "another")
    with pytest.raises(NotAllowed):
        add_member(away, "friend", "admin")


def test_scopes_stay_within_the_role_and_away_from_what_is_grave(team: Team) -> None:
    them = team.member("tobi", "researcher")
    for scope in ("add", "erase", "account", "nonsense"):
        with pytest.raises(BadInput):
            issue_token(them, "x", frozenset({scope}))
    actor = actor_of_token(team.lab, issue_token(them, "x", frozenset({"list"})).secret)
    assert actor is not None
    assert decide(actor, Action.LIST).allowed
    assert not decide(actor, Action.RUN).allowed


def test_tokens_of_others_are_not_seen_nor_revoked(team: Team) -> None:
    one, other = team.member("una", "engineer"), team.member("otto", "engineer")
    made = issue_token(one, "mine")
    assert list_tokens(other) == []
    with pytest.raises(NotFound):
        revoke_token(other, made.token)
    assert actor_of_token(team.lab, made.secret) is not None


def test_the_secret_of_a_token_is_nowhere_in_the_lab(team: Team) -> None:
    made = issue_token(team.lab, "look for it")
    for path in team.config.folder.rglob("*"):
        if path.is_file():
            assert made.secret.encode() not in path.read_bytes(), path
