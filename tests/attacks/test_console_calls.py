"""Claim: every call of the console's interface answers as the role of whoever asks says.

Made from the table of calls itself: one that is added is asked here too, by nobody, by each
role with a session and with a token, by a token for something else, by another site's page,
and by a session that was left open.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from cloister.identity.projects import EVERYWHERE
from cloister.policy import GRAVE, PERSONS, ROLES, Action
from cloister.web.console.api import CALLS
from cloister.web.console.calls import Call, Kind
from tests.web.people.browser import Browser, Person, joined
from tests.web.people.everybody import app, bearer, people, team
from tests.workflows.people.conftest import Team

__all__ = ["app", "people", "team"]

NOTHING = "aaaaaaaaaaaaaaaa"  # an id of what is not there: who may, learns that it is not
NONSENSE: dict[Kind, Any] = {
    Kind.TEXT: "nonsense",
    Kind.WHOLE: 1,
    Kind.FLAG: False,
    Kind.TEXTS: ["nonsense"],
    Kind.OBJECT: {},
}
FINE = {200, 201, 202, 204, 400, 404, 409, 410}
"""What a nonsense request of somebody who may make a sensible one gets."""
ENDLESS = {"/live"}
"""Answers as long as somebody listens: asked in tests of its own."""
ASKED = [one for one in CALLS if one.path not in ENDLESS]
CHANGING = [one for one in ASKED if one.method not in {"GET", "HEAD"}]


@pytest.fixture(scope="module")
def tokens(team: Team, people: dict[str, Person]) -> dict[str, dict[str, str]]:
    """A header for each role, and one for what may only look."""
    made = {role: bearer(team, role) for role in people}
    return made | {"looking": bearer(team, "admin", frozenset({"list"}))}


def fields_of(call: Call) -> dict[str, Any]:
    return {
        one.name: NONSENSE[one.kind] if one.example is None else one.example
        for one in call.fields
        if one.required or one.example is not None
    }


def where(call: Call) -> str:
    def part(found: re.Match[str]) -> str:
        return "1" if found[1] in {"number", "index"} else f"nothing_{NOTHING}"

    return "/api/1" + re.sub(r"\{(\w+)(?::path)?\}", part, call.path)


def ask(browser: Browser, call: Call, **headers: str) -> Any:
    """``call``, with a request of the right form about nothing."""
    given: dict[str, Any] = {"headers": headers}
    said = fields_of(call)
    if call.in_query:
        flat = {
            key: str(value).lower() if isinstance(value, bool) else value
            for key, value in said.items()
        }
        given["params"] = flat
    else:
        given["json"] = said
    if call.takes_stream:
        given["content"] = b"x"
    return browser.client.request(call.method, where(call), **given)


def able(call: Call, role: str) -> bool:
    """Whether somebody of that role may make a sensible request of that kind."""
    return call.needs in ROLES[role] and (not call.everywhere or role in EVERYWHERE)


def told(answer: Any) -> dict[str, Any]:
    """What a refusal says; nothing to a HEAD, which has no body."""
    return answer.json()["error"] if answer.content else {}


def own(browser: Browser) -> dict[str, str]:
    return {"origin": str(browser.client.base_url)}


def named(call: Call) -> str:
    return f"{call.method} {call.path}"


@pytest.mark.parametrize("call", ASKED, ids=named)
def test_a_call_and_nobody(app: Any, people: dict[str, Person], call: Call) -> None:
    stranger = Browser(app, "10.9.0.2")
    for headers in (
        own(stranger),
        {"authorization": "Bearer clo_" + "x" * 43},
        {"authorization": "x"},
        own(stranger) | {"cookie": "__Host-cloister=clo_" + "x" * 43},
    ):
        answer = ask(stranger, call, **headers)
        assert answer.status_code == 401, answer.text
        assert "the engineer" not in answer.text


def test_what_does_not_stand_for_anybody_is_not_helped_by_a_session_beside_it(
    people: dict[str, Person],
) -> None:
    browser = people["admin"].browser
    assert ask(browser, ASKED[0], authorization="Bearer nonsense").status_code == 401


@pytest.mark.parametrize("role", PERSONS)
@pytest.mark.parametrize("call", ASKED, ids=named)
def test_a_call_and_each_role(people: dict[str, Person], call: Call, role: str) -> None:
    browser = people[role].browser
    answer = ask(browser, call, **own(browser))
    if able(call, role):
        assert answer.status_code in FINE, answer.text
    else:
        assert answer.status_code == 403, answer.text
        assert "prove" not in told(answer)  # showing who one is would not help


@pytest.mark.parametrize("role", PERSONS)
@pytest.mark.parametrize("call", ASKED, ids=named)
def test_a_call_and_a_token_of_each_role(
    app: Any, tokens: dict[str, dict[str, str]], call: Call, role: str
) -> None:
    answer = ask(Browser(app), call, **tokens[role])
    if able(call, role) and call.needs not in GRAVE:
        assert answer.status_code in FINE, answer.text
    else:
        assert answer.status_code == 403, answer.text
        assert "prove" not in told(answer)


@pytest.mark.parametrize(
    "call", [one for one in ASKED if one.needs is not Action.LIST], ids=named
)
def test_a_call_and_a_token_that_is_for_looking(
    app: Any, tokens: dict[str, dict[str, str]], call: Call
) -> None:
    assert ask(Browser(app), call, **tokens["looking"]).status_code == 403


@pytest.mark.parametrize("call", CHANGING, ids=named)
def test_a_call_that_changes_something_and_the_page_of_another_site(
    people: dict[str, Person], call: Call
) -> None:
    browser = people["admin"].browser
    for headers in (
        {},
        {"origin": "https://elsewhere.example"},
        {"origin": "null"},
        own(browser) | {"sec-fetch-site": "cross-site"},
    ):
        assert ask(browser, call, **headers).status_code == 403


@pytest.mark.parametrize("call", [one for one in CHANGING if one.fields], ids=named)
def test_what_a_form_can_send_is_no_body(people: dict[str, Person], call: Call) -> None:
    browser = people["admin"].browser
    if call.in_query:
        return
    answer = browser.client.request(
        call.method,
        where(call),
        content=b"{}",
        headers=own(browser) | {"content-type": "text/plain"},
    )
    assert answer.status_code == 400
    assert "application/json" in answer.text


@pytest.mark.parametrize("call", ASKED, ids=named)
def test_an_unknown_field_is_refused_by_name(people: dict[str, Person], call: Call) -> None:
    browser = people["admin"].browser
    if call.in_query:
        answer = browser.client.request(
            call.method, where(call), params={"unheard": "1"}, headers=own(browser)
        )
    else:
        answer = browser.client.request(
            call.method, where(call), json={"unheard": "1"}, headers=own(browser)
        )
    assert answer.status_code == 400, answer.text


def test_a_session_left_open_is_told_to_show_who_it_is(team: Team, app: Any) -> None:
    from datetime import timedelta

    left = joined(team, app, "left open", "admin", "ours").browser
    team.clock.advance(timedelta(hours=1))
    assert left.call("GET", "/me").json()["present"] is False
    for call in [one for one in ASKED if one.needs in GRAVE]:
        answer = ask(left, call, **own(left))
        assert answer.status_code == 403, (call.path, answer.text)
        assert answer.json()["error"]["prove"] == "/account/prove"
