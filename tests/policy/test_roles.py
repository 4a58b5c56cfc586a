"""One policy decision for every action: the built-in answer, and Cedar's, which is the same."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from cloister.core.errors import BadInput, NotAllowed, NotFound
from cloister.core.ids import PersonId
from cloister.core.values import Actor
from cloister.policy import (
    GRAVE,
    LAB,
    PERSONS,
    ROLES,
    Action,
    Question,
    Resource,
    built_in,
    decide,
    require,
)
from cloister.policy.cedar import CedarRules, check, schema, shipped

WHO = PersonId("per_aaaaaaaaaaaaaaaa")
OURS, THEIRS = Resource("run", "run_ours", "prj_a"), Resource("run", "run_theirs", "prj_b")


def actor(role: str) -> Actor:
    return Actor(WHO, role, "peer:1000")


def every_question() -> Iterator[Question]:
    """Roles, actions, what is acted upon, what is seen, scopes, presence: the whole matrix."""
    seen = (None, frozenset[str](), frozenset({"prj_a"}))
    scopes = (None, frozenset[str](), frozenset({"run", "erase"}))
    for role, action, on, projects, scope, present in itertools.product(
        [*ROLES, "intern"], Action, (LAB, OURS, THEIRS), seen, scopes, (True, False)
    ):
        who = Actor(WHO, role, "token:x" if scope else "session:x", projects, scope, present)
        yield Question(who, action, on)


def test_cedar_and_the_built_in_answer_agree_on_every_question() -> None:
    cedar, count = CedarRules(""), 0
    for question in every_question():
        ours, theirs = built_in(question), cedar(question)
        assert (ours.allowed, ours.hidden) == (theirs.allowed, theirs.hidden), question
        count += 1
    assert count > 5_000


def test_the_shipped_policies_are_sound_and_name_every_role() -> None:
    import cedarpy

    assert not cedarpy.validate_policies(shipped(), schema()).errors
    for role in ROLES:
        assert f'@id("role-{role}")' in shipped()


def test_the_auditor_reads_the_record_and_never_the_data() -> None:
    assert decide(actor("auditor"), Action.TRACE).allowed
    assert decide(actor("auditor"), Action.AUDIT).allowed
    for action in (Action.READ, Action.EXPORT, Action.RUN, Action.ADD, Action.ERASE):
        assert not decide(actor("auditor"), action).allowed


def test_a_refusal_names_its_reason_and_who_may() -> None:
    with pytest.raises(NotAllowed, match="role annotator may not erase") as caught:
        require(actor("annotator"), Action.ERASE)
    assert caught.value.hint == "ask someone with the role admin"


def test_an_unknown_role_may_nothing() -> None:
    assert not any(decide(actor("intern"), action).allowed for action in Action)


def test_only_admins_erase_and_decide_about_people_keys_and_rules() -> None:
    for action in (Action.ERASE, Action.PEOPLE, Action.KEYS, Action.ADMINISTER):
        assert [role for role, may in ROLES.items() if action in may] == ["admin"]


@pytest.mark.parametrize("action", sorted(GRAVE))
def test_what_is_grave_needs_the_person_themselves(action: Action) -> None:
    away = Actor(WHO, "admin", "session:x", present=False)
    with pytest.raises(NotAllowed, match="show again who you are"):
        require(away, action)
    assert decide(actor("admin"), action).allowed


def test_another_projects_object_is_not_there() -> None:
    one = Actor(WHO, "engineer", "session:x", frozenset({"prj_a"}))
    assert require(one, Action.RUN, OURS).allowed
    with pytest.raises(NotFound):
        require(one, Action.RUN, THEIRS)


def test_a_token_does_what_its_scope_holds_and_no_more_than_its_role() -> None:
    token = Actor(WHO, "annotator", "token:x", None, frozenset({"list", "run"}), present=False)
    assert decide(token, Action.LIST).allowed
    for action in set(Action) - {Action.LIST}:
        assert not decide(token, action).allowed


FORBID = """
@id("no-export-by-token-holders")
forbid (principal in Role::"engineer", action == Action::"export", resource);
"""
PERMIT = """
@id("researchers-of-a-read")
permit (principal in Role::"researcher", action == Action::"read", resource)
when { resource has project && resource.project == "prj_a" };
"""


def test_a_policy_of_the_lab_takes_away_and_is_named() -> None:
    answer = decide(actor("engineer"), Action.EXPORT, LAB, CedarRules(FORBID))
    assert not answer.allowed
    assert "no-export-by-token-holders" in answer.reason
    assert decide(actor("admin"), Action.EXPORT, LAB, CedarRules(FORBID)).allowed


def test_a_policy_of_the_lab_gives_and_is_named() -> None:
    rules = CedarRules(PERMIT)
    assert (
        "researchers-of-a-read" in decide(actor("researcher"), Action.READ, OURS, rules).reason
    )
    assert not decide(actor("researcher"), Action.READ, THEIRS, rules).allowed


def test_no_policy_of_the_lab_lifts_a_shipped_forbid() -> None:
    rules = CedarRules('@id("all") permit (principal, action, resource);')
    for question in every_question():
        if not (question.within and question.scoped):
            assert not rules(question).allowed
        if question.action in GRAVE and not question.actor.present:
            assert not rules(question).allowed


def test_a_policy_that_fails_when_asked_refuses() -> None:
    broken = '@id("b") forbid (principal, action, resource) when { principal.nothing == 1 };'
    assert not decide(actor("admin"), Action.LIST, LAB, CedarRules(broken)).allowed


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "permit (principal, action, resource);",
        '@id("role-admin") permit (principal, action, resource);',
        '@id("a") forbid (principal, action == Action::"exprot", resource);',
        '@id("a") forbid (principal, action, resource) when { context.nothing };',
        '@id("a") permit (principal, action, resource);' * 2,
    ],
)
def test_what_is_no_sound_policy_is_not_taken(text: str) -> None:
    with pytest.raises(BadInput, match="policies"):
        check(text)


def test_every_role_of_a_person_can_look_after_its_own_account() -> None:
    for role in PERSONS:
        assert {Action.LIST, Action.ACCOUNT} <= ROLES[role]
