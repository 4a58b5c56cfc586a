"""Claim: requests that are answered together are answered each as whoever sent it.

What one of them lacks, no other lends it; what one of them breaks, no other loses.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest
from starlette.datastructures import Headers

from cloister.core.events import Transaction
from cloister.core.values import Decision
from cloister.policy import Action, Question
from cloister.web.app import WebApp
from cloister.web.credentials import presented_token
from cloister.workflows.tracking.visit import Visit
from tests.tracking.lab import TrackingLab

BELOW = "/api/2.0/mlflow/runs"


@pytest.fixture
def lab() -> Iterator[TrackingLab]:
    made = TrackingLab()
    yield made
    made.close()


class Door:
    """Knows an engineer, an auditor, and a member of another project; counts the questions."""

    def __init__(self, lab: TrackingLab) -> None:
        self.asked: list[str | None] = []
        self._known = {
            "engineer": lab.visit("engineer"),
            "auditor": lab.visit("auditor"),
            "elsewhere": lab.visit("engineer", None, "their-project"),
        }

    def __call__(self, headers: Headers) -> Visit | None:
        token = presented_token(headers)
        self.asked.append(token)
        return self._known.get(token or "")


async def at_once(
    app: WebApp, bodies: list[tuple[str, str, dict[str, object]]]
) -> list[httpx.Response]:
    """The answers to (token, verb, body), all sent in the same moment."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://lab") as rest:
        return await asyncio.gather(
            *(
                rest.post(
                    f"{BELOW}/{verb}", json=body, headers={"authorization": f"Bearer {token}"}
                )
                for token, verb, body in bodies
            )
        )


class Switch:
    """Rules that may be turned; what is asked inside a transaction they always allow."""

    def __init__(self) -> None:
        self.on = True

    def __call__(self, question: Question, tx: Transaction | None = None) -> Decision:
        return Decision(self.on or tx is not None, "as it is turned")


def test_what_was_allowed_to_one_group_is_asked_again_for_the_next(lab: TrackingLab) -> None:
    rules = Switch()
    visit = lab.visit("engineer")
    visit = Visit(replace(visit.lab, rules=rules))
    app = WebApp(lambda _: visit)  # one visit for all of them, as the door in a fence has
    try:
        (begun,) = asyncio.run(at_once(app, [("", "create", {"experiment_id": "0"})]))
        run = begun.raise_for_status().json()["run"]["info"]["run_id"]
        points = [
            (
                "",
                "log-metric",
                {"run_id": run, "key": "m", "value": 1.0, "timestamp": 1, "step": n},
            )
            for n in range(6)
        ]
        before = asyncio.run(at_once(app, points))
        rules.on = False
        after = asyncio.run(at_once(app, points))
    finally:
        app.close()
    assert [answer.status_code for answer in before] == [200] * 6
    assert [answer.status_code for answer in after] == [403] * 6


class OnlyLooks:
    """Rules that let engineers act, and researchers only look at an experiment."""

    def __call__(self, question: Question, _: Transaction | None = None) -> Decision:
        acts = question.resource.kind == "experiment" and question.action is not Action.LIST
        return Decision(question.actor.role == "engineer" or not acts, "as it is written")


def test_what_policy_lets_one_log_it_does_not_let_another(lab: TrackingLab) -> None:
    known = {
        role: Visit(replace(lab.visit(role).lab, rules=OnlyLooks()))
        for role in ("engineer", "researcher")
    }
    app = WebApp(lambda headers: known[presented_token(headers) or ""])
    try:
        (begun,) = asyncio.run(at_once(app, [("engineer", "create", {"experiment_id": "0"})]))
        run = begun.raise_for_status().json()["run"]["info"]["run_id"]
        point = {"run_id": run, "key": "m", "value": 1.0, "timestamp": 1}
        asked = [(role, "log-metric", point) for role in ("engineer", "researcher") * 3]
        answers = asyncio.run(at_once(app, asked))
    finally:
        app.close()
    assert [answer.status_code for answer in answers] == [200, 403] * 3


def test_nobody_rides_along_with_another_and_nobody_pays_for_another(lab: TrackingLab) -> None:
    door = Door(lab)
    app = WebApp(door)
    try:
        (begun,) = asyncio.run(at_once(app, [("engineer", "create", {"experiment_id": "0"})]))
        run = begun.raise_for_status().json()["run"]["info"]["run_id"]
        good = {"run_id": run, "key": "m", "value": 1.0, "timestamp": 1}
        asked = [
            ("engineer", "log-metric", good | {"step": 1}),
            ("nobody", "log-metric", good | {"step": 2}),
            ("auditor", "log-metric", good | {"step": 3}),
            ("elsewhere", "log-metric", good | {"step": 4}),
            ("engineer", "log-metric", good | {"key": "../m"}),
            ("engineer", "log-parameter", {"run_id": run, "key": "p", "value": "v"}),
            ("engineer", "log-parameter", {"run_id": run, "key": "p", "value": "other"}),
            ("", "create", {"experiment_id": "0"}),
            ("engineer", "log-metric", {"run_id": "0" * 32} | {"key": "m"}),
            ("engineer", "log-metric", good | {"step": 5}),
        ]
        door.asked.clear()
        answers = asyncio.run(at_once(app, asked))
    finally:
        app.close()
    statuses = [answer.status_code for answer in answers]
    assert statuses == [200, 401, 403, 404, 400, 200, 400, 401, 400, 200]
    assert len(door.asked) < len(asked)  # they did come together
    with lab.database.read() as tx:
        kept = tx.query("SELECT step FROM track_point ORDER BY step")
    assert kept == [(1,), (5,)]
    assert lab.audit().findings == ()
