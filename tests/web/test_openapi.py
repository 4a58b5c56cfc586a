"""The OpenAPI document holds every address, and no request made from it breaks the lab."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.testclient import TestClient

from cloister.web.app import WebApp
from cloister.web.console.api import CALLS
from cloister.web.console.calls import PREFIX
from cloister.web.credentials import presented_token
from cloister.web.mlflow import surface
from cloister.web.openapi import document
from cloister.web.people.routes import PAGES
from cloister.workflows.people.tokens import actor_of_token, issue_token
from cloister.workflows.tracking.visit import Visit
from tests.conftest import new_lab
from tests.web.people.browser import ORIGIN, application, desk_of, joined
from tests.workflows.people.conftest import Team, opened_team

ENDS = {"/logout", "/account/sessions"}
"""Would be the last request of this session."""
ENDLESS = {f"{PREFIX}/live"}
SCHEMA = schemathesis.openapi.from_dict(document())


@dataclass(frozen=True)
class Asked:
    """A lab that is asked, and by whom."""

    team: Team
    pages: TestClient
    tracking: TestClient
    token: dict[str, str]

    def __call__(self, case: Any, known: bool) -> Any:
        page = not case.path.startswith(("/api", "/health", "/version"))
        page = page or case.path.startswith(PREFIX + "/")
        client = self.pages if page else self.tracking
        headers = {"origin": ORIGIN} if page else dict(self.token if known else {})
        given = case.as_transport_kwargs(base_url=ORIGIN)
        given["headers"] = dict(given.get("headers") or {}) | headers
        given.pop("cookies", None)
        if isinstance(given.get("data"), bytes | str):
            given["content"] = given.pop("data")
        return client.request(**{key: value for key, value in given.items() if value})


@pytest.fixture(scope="module")
def lab() -> Iterator[Asked]:
    with new_lab() as shell, opened_team(shell) as team:
        app: Starlette = application(desk_of(team))
        admin = joined(team, app, "the admin", "admin")

        def keeper(headers: Headers) -> Visit | None:
            actor = actor_of_token(team.lab, presented_token(headers) or "")
            return None if actor is None else Visit(replace(team.lab, actor=actor))

        web = WebApp(keeper)
        tracking = TestClient(web, base_url=ORIGIN, raise_server_exceptions=False)
        secret = issue_token(team.again("the admin"), "fuzz").secret
        token = {"authorization": f"Bearer {secret}"}
        yield Asked(team, admin.browser.client, tracking, token)
        web.close()


def test_the_document_holds_every_address() -> None:
    paths = document()["paths"]
    assert {(page.method.lower(), page.path) for page in PAGES} <= {
        (method, path) for path, methods in paths.items() for method in methods
    }
    for call in CALLS:
        shown = re.sub(r":path\}", "}", call.path)
        assert call.method.lower() in paths[PREFIX + shown]
    for one in surface.ENDPOINTS:
        shown = re.sub(r":path\}", "}", one.path)
        assert one.method.lower() in paths[f"/api{shown}"]


@SCHEMA.parametrize()
@settings(
    max_examples=6,
    phases=[Phase.generate],
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_no_request_breaks_anything(lab: Asked, case: schemathesis.Case) -> None:
    if case.path in ENDS or case.path in ENDLESS:
        return
    for known in (True, False):
        answer = lab(case, known)
        fine = answer.status_code < 500 or "NOT_IMPLEMENTED" in answer.text
        assert fine, (case.path, answer.status_code, answer.text[:300])
        assert "Traceback" not in answer.text


def test_the_lab_is_whole_after_all_that(lab: Asked) -> None:
    assert lab.team.whole()
