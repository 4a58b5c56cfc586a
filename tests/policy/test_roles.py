"""One policy decision for every action."""

from __future__ import annotations

import pytest

from cloister.core.errors import NotAllowed
from cloister.core.ids import PersonId
from cloister.core.values import Actor
from cloister.policy import ROLES, Action, decide, require


def actor(role: str) -> Actor:
    return Actor(PersonId("per_aaaaaaaaaaaaaaaa"), role, "peer:1000")


def test_the_auditor_reads_the_record_and_never_the_data() -> None:
    assert decide(actor("auditor"), Action.TRACE).allowed
    assert decide(actor("auditor"), Action.AUDIT).allowed
    for action in (Action.READ, Action.RUN, Action.ADD, Action.ERASE, Action.SERVE):
        assert not decide(actor("auditor"), action).allowed


def test_a_refusal_names_its_reason_and_who_may() -> None:
    with pytest.raises(NotAllowed, match="role annotator may not erase") as caught:
        require(actor("annotator"), Action.ERASE)
    assert caught.value.hint == "ask someone with the role admin"


def test_an_unknown_role_may_nothing() -> None:
    assert not any(decide(actor("intern"), action).allowed for action in Action)


def test_only_admins_erase() -> None:
    assert [role for role, may in ROLES.items() if Action.ERASE in may] == ["admin"]
