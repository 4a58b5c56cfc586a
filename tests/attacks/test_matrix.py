"""Claim: every address answers everybody as their role says, and nobody more than that.

Made from the tables of routes themselves: an address that is added is asked here too, by
nobody, by each role, by a token, and by a member of another project.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from starlette.datastructures import Headers
from starlette.testclient import TestClient

from cloister.policy import PERSONS, ROLES, Action
from cloister.web.app import WebApp
from cloister.web.credentials import presented_token
from cloister.web.mlflow import surface
from cloister.web.mlflow.endpoint import Endpoint
from cloister.web.people.desk import Page
from cloister.web.people.routes import PAGES
from cloister.workflows.people.tokens import actor_of_token, issue_token
from cloister.workflows.tracking.visit import Visit
from tests.web.people.browser import Browser, Person, joined
from tests.web.people.everybody import app, bearer, people, team
from tests.workflows.people.conftest import Team

__all__ = ["app", "people", "team"]

NOTHING = "aaaaaaaaaaaaaaaa"  # an id of what is not there: who may, learns that it is not
NEEDS: dict[tuple[str, str], Action] = {
    ("POST", "/account/sessions"): Action.LIST,
    ("POST", "/account/tokens"): Action.ACCOUNT,
    ("POST", "/account/tokens/revoke"): Action.ACCOUNT,
    ("POST", "/account/passkeys/options"): Action.LIST,
    ("POST", "/account/passkeys"): Action.ACCOUNT,
    ("POST", "/account/credentials/remove"): Action.ACCOUNT,
    ("POST", "/account/password"): Action.ACCOUNT,
}
"""What each page that changes something asks policy; the others show what all roles may see."""
FIELDS = {
    "session": f"ses_{NOTHING}",
    "token": f"tok_{NOTHING}",
    "credential": f"cre_{NOTHING}",
    "approval": f"apr_{NOTHING}",
    "person": f"per_{NOTHING}",
    "role": "nonsense",
    "name": "\n",
    "purpose": "",
    "days": "9",
    "password": "x",
    "again": "x",
}
BY_ITSELF = re.compile(r"/account/prove.*|/logout")
"""Tries who somebody is, or ends it: refused or not whatever the role."""


@pytest.fixture(scope="module")
def everybody(team: Team, app: Any, people: dict[str, Person]) -> dict[str, Person]:
    """One of each role, and an engineer of another project."""
    return people | {"outsider": joined(team, app, "the outsider", "engineer", "theirs")}


def asked(browser: Browser, page: Page) -> Any:
    path = page.path.replace("{secret}", "clo_" + "x" * 43)
    return browser.get(path) if page.method == "GET" else browser.post(path, **FIELDS)


def named(page: Page) -> str:
    return f"{page.method} {page.path}"


def test_the_table_names_every_page_that_changes_something() -> None:
    changing = {(one.method, one.path) for one in PAGES if one.method != "GET" and not one.open}
    by_itself = {pair for pair in changing if BY_ITSELF.fullmatch(pair[1])}
    assert changing - by_itself == NEEDS.keys()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_a_page_and_nobody(app: Any, page: Page) -> None:
    answer = asked(Browser(app, "10.9.0.1"), page)
    if page.open:
        assert answer.status_code in {200, 303, 400, 403, 404, 429}
    elif page.method == "GET":
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/login?next=")
    else:
        assert answer.status_code == 401
    assert "the engineer" not in answer.text


@pytest.mark.parametrize("role", [*PERSONS, "outsider"])
@pytest.mark.parametrize("page", [one for one in PAGES if not one.open], ids=named)
def test_a_page_and_each_role(everybody: dict[str, Person], page: Page, role: str) -> None:
    person = everybody[role]
    if BY_ITSELF.fullmatch(page.path):
        return
    needs = NEEDS.get((page.method, page.path), Action.LIST)
    able = needs in ROLES["engineer" if role == "outsider" else role]
    answer = asked(person.browser, page)
    if not able:
        assert answer.status_code == 403, answer.text
    elif page.method == "GET" and page.path == "/account/oidc":
        assert answer.status_code == 404  # no provider is set here
    elif page.method == "GET":
        assert answer.status_code == 200, answer.text
    else:  # a nonsense request of somebody who may make a sensible one
        expected = {200, 400, 404} | ({403} if page.path.endswith("/passkeys") else set())
        assert answer.status_code in expected, answer.text


MARK = "markofours"
Tracked = tuple[TestClient, dict[str, str]]


@pytest.fixture(scope="module")
def tracked(team: Team, everybody: dict[str, Person]) -> Iterator[Tracked]:
    """The tracking interface, and an experiment and a run in project `ours`."""

    def keeper(headers: Headers) -> Visit | None:
        actor = actor_of_token(team.lab, presented_token(headers) or "")
        return None if actor is None else Visit(replace(team.lab, actor=actor))

    web = WebApp(keeper)
    client = TestClient(web, base_url="https://localhost", raise_server_exceptions=False)
    headers = bearer(team, "engineer")
    made = post(client, headers, "experiments/create", name=MARK)
    experiment = made.json()["experiment_id"]
    run = post(client, headers, "runs/create", experiment_id=experiment, run_name=MARK)
    name = run.json()["run"]["info"]["run_id"]
    post(client, headers, "runs/log-parameter", run_id=name, key=MARK, value=MARK)
    post(client, headers, "runs/log-metric", run_id=name, key=MARK, value=1.0, timestamp=1)
    yield client, {"experiment_id": experiment, "run_id": name}
    web.close()


def post(client: TestClient, headers: dict[str, str], path: str, **fields: Any) -> Any:
    return client.post(f"/api/2.0/mlflow/{path}", json=fields, headers=headers)


def call(
    client: TestClient, headers: dict[str, str], one: Endpoint, ids: dict[str, str]
) -> Any:
    """``one``, asked about what is in project `ours`."""
    fields: dict[str, Any] = {
        **ids,
        "run_uuid": ids["run_id"],
        "experiment_ids": [ids["experiment_id"]],
        "run_ids": [ids["run_id"]],
        "name": MARK,
        "experiment_name": MARK,
        "new_name": "taken over",
        "key": "planted",
        "metric_key": MARK,
        "value": "1",
        "timestamp": 2,
        "view_type": "ALL",
        "max_results": 100,
        "tags": [{"key": "planted", "value": "x"}],
        "params": [{"key": "planted", "value": "x"}],
        "alias": "planted",
        "version": "1",
    }
    path = re.sub(r"\{(\w+)(:path)?\}", lambda m: ids.get(m[1], MARK), one.path)
    if one.method == "GET":
        flat = {k: v for k, v in fields.items() if k not in {"tags", "params"}}
        return client.get(f"/api{path}", params=flat, headers=headers)
    return client.request(one.method, f"/api{path}", json=fields, headers=headers)


def state(client: TestClient, team: Team, ids: dict[str, str]) -> Any:
    """All there is of project `ours`, as its engineer sees it."""
    headers = bearer(team, "engineer")
    found = client.get("/api/2.0/mlflow/runs/get", params=ids, headers=headers).json()
    experiment = client.get("/api/2.0/mlflow/experiments/get", params=ids, headers=headers)
    return found, experiment.json()


def spelled(one: Endpoint) -> str:
    return f"{one.method} {one.path}"


@pytest.mark.parametrize("one", surface.ENDPOINTS, ids=spelled)
def test_an_endpoint_and_nobody(tracked: Any, one: Endpoint) -> None:
    client, ids = tracked
    for headers in ({}, {"authorization": "Bearer clo_" + "x" * 43}, {"authorization": "x"}):
        answer = call(client, headers, one, ids)
        assert answer.status_code == 401
        assert MARK not in answer.text


@pytest.mark.parametrize("one", surface.ENDPOINTS, ids=spelled)
def test_an_endpoint_and_a_member_of_another_project(
    team: Team, tracked: Any, one: Endpoint
) -> None:
    client, ids = tracked
    before = state(client, team, ids)
    answer = call(client, bearer(team, "outsider"), one, ids)
    assert answer.status_code < 500 or "NOT_IMPLEMENTED" in answer.text, answer.text
    said = answer.text.replace(f"'{MARK}'", "").replace(f"={MARK}", "")
    if answer.status_code == 200:
        assert ids["run_id"] not in said
    assert "another project" not in said
    assert answer.status_code != 403, said  # that would tell that it is there
    assert state(client, team, ids) == before


@pytest.mark.parametrize("role", [role for role in PERSONS if Action.RUN not in ROLES[role]])
@pytest.mark.parametrize("one", surface.ENDPOINTS, ids=spelled)
def test_an_endpoint_and_a_role_that_only_looks(
    team: Team, tracked: Any, one: Endpoint, role: str
) -> None:
    client, ids = tracked
    before = state(client, team, ids)
    answer = call(client, bearer(team, role), one, ids)
    assert answer.status_code < 500 or "NOT_IMPLEMENTED" in answer.text, answer.text
    assert state(client, team, ids) == before


@pytest.mark.parametrize("one", surface.ENDPOINTS, ids=spelled)
def test_an_endpoint_and_a_token_that_is_for_looking(
    team: Team, tracked: Any, one: Endpoint
) -> None:
    client, ids = tracked
    scope = frozenset({"list"})
    secret = issue_token(team.again("the engineer"), "look", scope).secret
    before = state(client, team, ids)
    answer = call(client, {"authorization": f"Bearer {secret}"}, one, ids)
    assert answer.status_code < 500 or "NOT_IMPLEMENTED" in answer.text, answer.text
    assert state(client, team, ids) == before
