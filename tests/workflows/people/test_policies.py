"""Policies of the lab's own: set, in force at once, taken back."""

from __future__ import annotations

import pytest

from cloister.core.errors import BadInput
from cloister.policy import Action
from cloister.workflows.people.policies import set_policies, show_policies, try_policy
from tests.workflows.people.conftest import Team

FORBID = (
    '@id("quiet") forbid (principal in Role::"engineer", action == Action::"export", resource);'
)


def test_policies_hold_at_once_and_are_taken_back(team: Team) -> None:
    them = team.member("pia", "engineer")
    assert them.may(Action.EXPORT)
    assert set_policies(team.lab, FORBID) == ("quiet",)
    assert not them.may(Action.EXPORT)
    assert "quiet" in try_policy(team.lab, "pia", "export").reason
    assert show_policies(team.lab) == FORBID
    assert set_policies(team.lab, "") == ()
    assert them.may(Action.EXPORT)
    assert team.whole()


def test_nobody_locks_themselves_out(team: Team) -> None:
    with pytest.raises(BadInput, match="administer"):
        set_policies(team.lab, '@id("none") forbid (principal, action, resource);')
    assert team.lab.may(Action.ADMINISTER)
