"""The interface around its endpoints: who is let in, what is bounded, how errors look."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.datastructures import Headers

from cloister.core.errors import DurabilityLost, Erased, NotAllowed, NotFound
from cloister.testing.inference import TOKEN, AppClient, tokens
from cloister.web.app import WebApp
from cloister.web.credentials import presented_token
from cloister.web.limits import Limits
from cloister.web.mlflow.endpoint import Call, Endpoint
from cloister.web.mlflow.server import MlflowApp

RAISED: dict[str, Exception] = {
    "missing": NotFound("no run begins with x"),
    "denied": NotAllowed("role auditor may not run", hint="ask an engineer"),
    "erased": Erased("the key was destroyed"),
    "broken": ZeroDivisionError("patient P001"),
    "lost": DurabilityLost("fsync failed"),
}


def answer(call: Call) -> object:
    asked = call.fields.text("ask")
    if asked in RAISED:
        raise RAISED[asked]
    return {"asked": asked, "at": call.path.get("model_id"), "run": call.visit.fenced}


ENDPOINTS = (
    Endpoint("POST", "/2.0/mlflow/echo", answer),
    Endpoint("GET", "/2.0/mlflow/echo", answer),
    Endpoint("GET", "/2.0/mlflow/logged-models/{model_id}", answer),
)


def keeper(headers: Headers) -> Any:
    """Knows one token; the visit it gives is looked at by no endpoint here."""
    from cloister.workflows.tracking.visit import Visit

    known = tokens()(presented_token(headers) or "")
    return None if known is None else Visit(None)  # type: ignore[arg-type]


@pytest.fixture
def app() -> Iterator[WebApp]:
    made = WebApp(keeper, limits=Limits(body_bytes=1 << 20, in_flight_bytes=3 << 19))
    with ThreadPoolExecutor(2) as threads:
        made.mlflow = MlflowApp(keeper, threads, made.limits, made.health.fail, ENDPOINTS)
        yield made
    made.close()


@pytest.fixture
def client(app: WebApp) -> AppClient:
    return AppClient(app)


def test_an_endpoint_is_found_under_both_prefixes_and_with_its_parameters(
    client: AppClient,
) -> None:
    for prefix in ("/api", "/ajax-api"):
        assert (
            client.post(f"{prefix}/2.0/mlflow/echo", json={"ask": "é"}).json()["asked"] == "é"
        )
        found = client.get(f"{prefix}/2.0/mlflow/logged-models/m-1?ask=a").json()
        assert (found["at"], found["asked"]) == ("m-1", "a")


def test_without_a_token_nothing_but_the_open_ones_answers(client: AppClient) -> None:
    client.headers = {}
    assert client.get("/health").text == "OK"
    assert client.get("/version").text.startswith("3.")
    assert client.get("/api/3.0/mlflow/server-info").json()["store_type"] == "SqlStore"
    refused = client.post("/api/2.0/mlflow/echo", json={})
    assert refused.status_code == 401
    assert refused.json()["error_code"] == "UNAUTHENTICATED"
    assert refused.headers["www-authenticate"] == "Bearer"
    # What does not exist looks the same to a stranger as what does.
    assert client.post("/api/2.0/mlflow/nowhere", json={}).content == refused.content


@pytest.mark.parametrize(
    "header",
    [
        f"Bearer {TOKEN}",
        f"bearer  {TOKEN}",
        "Basic " + base64.b64encode(f"me:{TOKEN}".encode()).decode(),
    ],
)
def test_a_token_comes_as_bearer_or_as_password(client: AppClient, header: str) -> None:
    client.headers = {"authorization": header}
    assert client.post("/api/2.0/mlflow/echo", json={}).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        *("", "Bearer", "Bearer wrong", "Basic !!!", f"Digest {TOKEN}"),
        "Basic " + base64.b64encode(b"\xff:\xff").decode(),
        "Basic " + base64.b64encode(TOKEN.encode()).decode(),
    ],
)
def test_anything_else_is_nobody(client: AppClient, header: str) -> None:
    client.headers = {"authorization": header}
    assert client.post("/api/2.0/mlflow/echo", json={}).status_code == 401


def test_two_authorizations_are_nobodys() -> None:
    raw = [(b"authorization", f"Bearer {TOKEN}".encode())] * 2
    assert presented_token(Headers(raw=raw)) is None


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ("missing", 404, "RESOURCE_DOES_NOT_EXIST"),
        ("denied", 403, "PERMISSION_DENIED"),
        ("erased", 404, "RESOURCE_DOES_NOT_EXIST"),
        ("broken", 500, "INTERNAL_ERROR"),
        ("lost", 503, "TEMPORARILY_UNAVAILABLE"),
    ],
)
def test_errors_have_the_shape_that_clients_read(
    client: AppClient, app: WebApp, asked: str, status: int, code: str
) -> None:
    told = client.post("/api/2.0/mlflow/echo", json={"ask": asked})
    assert (told.status_code, told.json()["error_code"]) == (status, code)
    assert "P001" not in told.text
    assert app.health.good == (asked != "lost")


def test_an_endpoint_that_is_not_there_names_itself_and_no_more(client: AppClient) -> None:
    told = client.post("/api/2.0/mlflow/gateway-proxy/P001-Miller", json={})
    assert told.status_code == 501
    assert told.json() == {
        "error_code": "NOT_IMPLEMENTED",
        "message": "POST /2.0/mlflow/gateway-proxy/... is not answered here",
    }


def test_a_body_beyond_the_bound_is_refused_and_the_connection_ends(client: AppClient) -> None:
    told = client.post("/api/2.0/mlflow/echo", content=b" " * ((1 << 20) + 1))
    assert (told.status_code, told.headers["connection"]) == (413, "close")
    assert client.post("/api/2.0/mlflow/echo", content=b'{"ask":"a"}' + b" " * 99_999).json()


def test_a_body_of_unsaid_size_is_bounded_as_well(client: AppClient) -> None:
    async def pieces() -> Any:
        for _ in range(20):
            yield b" " * 65536

    told = client.post("/api/2.0/mlflow/echo", content=pieces())
    assert told.status_code == 413


def test_a_stranger_cannot_make_it_read_a_large_body(client: AppClient) -> None:
    read = []

    async def pieces() -> Any:
        for number in range(8):
            read.append(number)
            yield b" " * 65536

    client.headers = {}
    assert client.post("/api/2.0/mlflow/echo", content=pieces()).status_code == 401
    assert not read


def test_a_compressed_body_is_refused(client: AppClient) -> None:
    client.headers |= {"content-encoding": "gzip"}
    assert client.post("/api/2.0/mlflow/echo", content=b"x").status_code == 415
