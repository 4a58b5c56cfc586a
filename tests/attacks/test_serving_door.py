"""Claim: the door answers its own clients, over TLS 1.3, and nobody can hold it shut."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from cloister.serving import Limits, LoadedModel, PredictionFacts, Served, build_app
from cloister.testing import onnx_models
from cloister.testing.inference import (
    TOKEN,
    AppClient,
    MemoryRecorder,
    Running,
    running,
    tokens,
    verified,
)

INFER = "/v2/models/risk/infer"
QUESTION = {
    "inputs": [{"name": "X", "shape": [1, 3], "datatype": "FP32", "data": [2.0, 1.0, 3.0]}]
}
IMPATIENT = Limits(
    header_timeout_s=0.5, body_timeout_s=0.5, body_bytes=100_000, json_bytes=100_000, threads=8
)


class SlowRecorder(MemoryRecorder):
    """Takes as long as a disk, and knows how many waited for it together."""

    together = most = 0
    delay_s = 0.0
    counting = threading.Lock()

    def __call__(self, facts: PredictionFacts, /) -> int:
        with self.counting:
            self.together += 1
            self.most = max(self.most, self.together)
        time.sleep(self.delay_s)
        with self.counting:
            self.together -= 1
        return super().__call__(facts)


@pytest.fixture(scope="module")
def recorder() -> SlowRecorder:
    return SlowRecorder()


@pytest.fixture(scope="module")
def server(recorder: SlowRecorder) -> Iterator[Running]:
    model = LoadedModel.load(verified(onnx_models.linear()), Served("risk", "1"))
    with running(build_app(model, recorder, tokens(), limits=IMPATIENT)) as server:
        yield server


def _ask(server: Running, **changes: Any) -> httpx.Response:
    request = {"headers": {"authorization": f"Bearer {TOKEN}"}, "json": QUESTION, **changes}
    with httpx.Client(
        base_url=server.url, verify=server.tls, trust_env=False, timeout=60
    ) as client:
        return client.post(INFER, **request)


def _connect(server: Running) -> ssl.SSLSocket:
    plain = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    return server.tls.wrap_socket(plain, server_hostname="127.0.0.1")


def _closed_after(connection: socket.socket) -> float:
    """Seconds until the server ends the connection."""
    started = time.monotonic()
    try:
        while connection.recv(65536):
            pass
    except (ConnectionError, ssl.SSLError):
        pass
    return time.monotonic() - started


def _sent(connection: socket.socket, piece: bytes, times: int, pause_s: float = 0) -> int:
    """How often ``piece`` could be sent before the server ended the connection."""
    for count in range(times):
        try:
            connection.sendall(piece)
        except OSError:
            return count
        time.sleep(pause_s)
    return times


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("authorization", "Bearer")],
        [("authorization", "Bearer clo_another-token")],
        [("authorization", f"Bearer {TOKEN}x")],
        [("authorization", f"Bearer {TOKEN[:-1]}")],
        [("authorization", f"Basic {TOKEN}")],
        [("authorization", TOKEN)],
        [("authorization", f"Bearer {TOKEN}"), ("authorization", "Bearer other")],
        [("cookie", f"token={TOKEN}")],
    ],
)
def test_without_the_token_nothing_is_answered(
    server: Running, recorder: SlowRecorder, headers: list[tuple[str, str]]
) -> None:
    before = len(recorder.facts)
    response = _ask(server, headers=headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert len(recorder.facts) == before


@pytest.mark.parametrize(
    "path", ["/v2", "/v2/models/risk", "/v2/models/risk/ready", "/v2/health/../models/risk"]
)
def test_what_the_model_is_needs_the_token_too(server: Running, path: str) -> None:
    with _connect(server) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 401")


def test_plain_http_on_the_tls_port_gets_no_http_answer(server: Running) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n")
        answer = b""
        try:
            while chunk := connection.recv(65536):
                answer += chunk
        except ConnectionError:
            pass
    assert b"HTTP" not in answer
    assert b"live" not in answer
    assert _ask(server).status_code == 200


def test_tls_1_2_is_refused(server: Running) -> None:
    old = ssl.create_default_context(cadata=server.authority)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=10) as plain,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        old.wrap_socket(plain, server_hostname="127.0.0.1")


def test_a_client_that_trusts_another_authority_is_not_fooled(server: Running) -> None:
    other = ssl.create_default_context()
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=10) as plain,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        other.wrap_socket(plain, server_hostname="127.0.0.1")


def test_a_body_beyond_the_limit_is_refused_though_it_lies_about_its_size(
    server: Running,
) -> None:
    assert _ask(server, json=None, content=b" " * 100_001).status_code == 413

    def endless() -> Iterator[bytes]:
        for _ in range(1000):
            yield b" " * 10_000

    with contextlib.suppress(httpx.TransportError):  # cut off while it still talked
        assert _ask(server, json=None, content=endless()).status_code == 413


@pytest.mark.parametrize(
    "start", [b"", b"POST ", b"POST /v2/models/risk/infer HTTP/1.1\r\nhost: x\r\n"]
)
def test_a_client_that_never_says_what_it_wants_is_dropped(
    server: Running, start: bytes
) -> None:
    with _connect(server) as connection:
        connection.sendall(start)
        assert 0.3 < _closed_after(connection) < 5


def test_a_client_that_drips_its_headers_is_dropped(server: Running) -> None:
    with _connect(server) as connection:
        connection.sendall(b"GET /v2 HTTP/1.1\r\n")
        assert _sent(connection, b"x: y\r\n", 100, pause_s=0.05) < 100


def test_headers_without_end_are_cut_off(server: Running) -> None:
    with _connect(server) as connection:
        connection.sendall(b"GET /v2 HTTP/1.1\r\n")
        assert _sent(connection, b"x: " + b"y" * 10_000 + b"\r\n", 1000) < 1000


def test_a_body_that_never_arrives_is_given_up(server: Running) -> None:
    head = f"POST {INFER} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n"
    with _connect(server) as connection:
        connection.sendall(f"{head}content-length: 50\r\n\r\n".encode() + b"{")
        started = time.monotonic()
        assert connection.recv(65536).startswith(b"HTTP/1.1 408")
        assert time.monotonic() - started < 5


def test_idle_and_slow_clients_do_not_keep_others_out(server: Running) -> None:
    idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(60)]
    slow = [_connect(server) for _ in range(60)]
    try:
        for connection in slow:
            connection.sendall(b"POST /v2 HTTP/1.1\r\n")
        started = time.monotonic()
        assert _ask(server).status_code == 200
        assert time.monotonic() - started < 5
    finally:
        for connection in (*idle, *slow):
            connection.close()


def test_100_clients_at_once_all_get_their_own_answer() -> None:
    recorder = SlowRecorder()
    model = LoadedModel.load(verified(onnx_models.linear()), Served("risk", "1"))
    app = build_app(model, recorder, tokens(), limits=Limits(threads=8))

    def client(number: int) -> set[int]:
        places = set()
        for _ in range(3):
            one = {**QUESTION["inputs"][0], "data": [float(number), 0.0, 0.0]}
            answer = _ask(server, json={"id": f"c{number}", "inputs": [one]}).json()
            assert answer["id"] == f"c{number}"
            assert answer["outputs"][0]["data"] == [number * 0.5]
            places.add(answer["parameters"]["ledger_index"])
        return places

    recorder.delay_s = 0.03
    with running(app) as server, ThreadPoolExecutor(100) as pool:
        places = set[int]().union(*pool.map(client, range(100)))
    assert len(places) == 300
    assert 2 <= recorder.most <= 8, "they share commits, within the bound"


def test_a_question_without_end_is_given_up() -> None:
    model = LoadedModel.load(verified(onnx_models.counting()), Served("risk", "1"))
    limits = Limits(answer_timeout_s=0.5, threads=1)
    one = {"name": "N", "shape": [], "datatype": "INT64"}
    with AppClient(build_app(model, MemoryRecorder(), tokens(), limits=limits)) as client:
        started = time.monotonic()
        endless = client.post(INFER, json={"inputs": [{**one, "data": [2**62]}]})
        assert (endless.status_code, time.monotonic() - started < 20) == (400, True)
        short = client.post(INFER, json={"inputs": [{**one, "data": [3]}]})
        assert short.json()["outputs"][0]["data"] == [3.0]


BOMBS = {
    "nested-lists": b"[" * 90_000,
    "nested-objects": b'{"a":' * 15_000,
    "lists-as-data": b'{"inputs":[{"name":"X","shape":[1,3],"datatype":"FP32","data":'
    + b"[" * 90_000 + b"]" * 5,
    "a-number-of-90000-digits": b"[" + b"9" * 90_000 + b"]",
    "not-UTF-8": b'{"inputs":"\xff\xfe"}',
    "UTF-16": '{"inputs":[]}'.encode("utf-16"),
    "one-name-twice": b'{"inputs":[],' + json.dumps(QUESTION)[1:].encode(),
    "many-keys": json.dumps({str(n): 0 for n in range(8000)}).encode(),
    "nothing": b"",
    "a-shape-of-10-6-dimensions": json.dumps(
        {"inputs": [{"name": "X", "shape": [1] * 20_000, "datatype": "FP32", "data": []}]}
    ).encode(),
    "a-shape-of-2-60-elements": json.dumps(
        {"inputs": [{"name": "X", "shape": [2**31, 3], "datatype": "FP32", "data": []}]}
    ).encode(),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_json_bomb_is_refused_soon(server: Running, name: str) -> None:
    started = time.monotonic()
    response = _ask(server, json=None, content=BOMBS[name])
    assert response.status_code == 400
    assert list(response.json()) == ["error"]
    assert time.monotonic() - started < 5
    assert _ask(server).status_code == 200


def _packed(size: object, shape: list[object]) -> bytes:
    one = {"name": "X", "shape": shape, "datatype": "FP32"}
    return json.dumps({"inputs": [{**one, "parameters": {"binary_data_size": size}}]}).encode()


@pytest.mark.parametrize(
    "size", [-1, -(2**63), 2**31, 2**64, 13, 11, 0, 12.0, "12", True, None]
)
def test_a_binary_size_that_lies_is_refused(server: Running, size: object) -> None:
    text = _packed(size, [1, 3])
    headers = {"inference-header-content-length": str(len(text))}
    headers["authorization"] = f"Bearer {TOKEN}"
    response = _ask(server, json=None, content=text + bytes(12), headers=headers)
    assert response.status_code == 400


@pytest.mark.parametrize(
    "header", ["-1", "+5", "", "1e3", "0x10", "99999999999999999999", "1000000", "٣", "1, 2"]
)
def test_a_header_length_that_lies_is_refused(server: Running, header: str) -> None:
    headers = [
        ("authorization", f"Bearer {TOKEN}"),
        ("inference-header-content-length", header.encode()),
    ]
    content = _packed(12, [1, 3]) + bytes(12)
    assert _ask(server, json=None, content=content, headers=headers).status_code == 400


def test_binary_data_left_over_is_refused(server: Running) -> None:
    text = _packed(12, [1, 3])
    headers = {"inference-header-content-length": str(len(text))}
    headers["authorization"] = f"Bearer {TOKEN}"
    response = _ask(server, json=None, content=text + bytes(13), headers=headers)
    assert "left over" in response.json()["error"]
