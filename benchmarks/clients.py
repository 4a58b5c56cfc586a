"""Clients of a tracking server that do nothing but send requests and read the answers."""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
import time
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

API = "/api/2.0/mlflow"
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_IDLE_S = 2.0
"""Servers hang up on connections that rest for five seconds."""


@dataclass(frozen=True)
class Place:
    """Where a server is, and how it wants to be asked."""

    url: str
    token: str = ""
    ca_file: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """Who asks."""
        return {"authorization": f"Bearer {self.token}"} if self.token else {}

    def connection(self) -> http.client.HTTPConnection:
        """One that is not open yet."""
        parts = urlsplit(self.url)
        assert parts.hostname is not None
        if parts.scheme == "http":
            return http.client.HTTPConnection(parts.hostname, parts.port, timeout=300)
        context = ssl.create_default_context(cafile=self.ca_file)
        return http.client.HTTPSConnection(
            parts.hostname, parts.port, context=context, timeout=300
        )


class Client:
    """One keep-alive connection."""

    def __init__(self, place: Place) -> None:
        self._connection = place.connection()
        self._headers = {"content-type": "application/json", **place.headers}
        self._connect()

    def _connect(self) -> None:
        self._connection.close()
        self._connection.connect()
        self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._used = time.perf_counter()

    def post(self, path: str, body: object) -> bytes:
        """The answer; anything but 200 raises."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self._ask("POST", API + path, data)

    def get(self, path: str, **asked: object) -> bytes:
        """The answer; anything but 200 raises."""
        return self._ask("GET", f"{path}?{urlencode(asked)}" if asked else path, None)

    def begin(self, **fields: object) -> str:
        """A new run."""
        body = {"experiment_id": "0", "start_time": int(time.time() * 1000), **fields}
        told = json.loads(self.post("/runs/create", body))
        return str(told["run"]["info"]["run_id"])

    def _ask(self, method: str, path: str, data: bytes | None) -> bytes:
        if time.perf_counter() - self._used > _IDLE_S:
            self._connect()
        self._connection.request(method, path, data, self._headers)
        answer = self._connection.getresponse()
        told = answer.read()
        self._used = time.perf_counter()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {told[:300]!r}")
        return told


class Wire:
    """A new connection of a client with nothing in between."""

    def __init__(self, client: Client) -> None:
        client._connect()
        self._socket = client._connection.sock
        names = client._headers | {"host": "localhost"}
        self._head = "".join(f"{name}: {value}\r\n" for name, value in names.items())

    def post(self, path: str, data: bytes) -> None:
        """One request and its answer, read to its end; anything but 200 raises."""
        head = f"POST {API}{path} HTTP/1.1\r\n{self._head}content-length: {len(data)}\r\n\r\n"
        self._socket.sendall(head.encode() + data)
        told = self._more()
        while (end := told.find(b"\r\n\r\n")) < 0:
            told += self._more()
        length = _LENGTH.search(told, 0, end)
        if not told.startswith(b"HTTP/1.1 200") or length is None:
            raise RuntimeError(f"{path}: {told[:300]!r}")
        missing = end + 4 + int(length[1]) - len(told)
        while missing > 0:
            missing -= len(self._more())

    def _more(self) -> bytes:
        if not (told := self._socket.recv(1 << 16)):
            raise RuntimeError("the server hung up")
        return told
