"""What tests of serving need: a recorder in memory, a certificate, a client, a real server.

Needs the extras ``serve`` and ``examples``.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from cloister.core.ids import PersonId
from cloister.core.values import Actor
from cloister.serving import (
    Address,
    Application,
    HashedTokens,
    HttpsServer,
    PredictionFacts,
    ServerIdentity,
    VerifiedModel,
)

TOKEN = "clo_a-token-for-tests"  # noqa: S105 - opens nothing
ACTOR = Actor(PersonId("per_aaaaaaaaaaaaaaaa"), "service", "token:test")


class MemoryRecorder:
    """A Recorder that remembers; set ``failure`` and it raises that instead."""

    def __init__(self) -> None:
        self.facts: list[PredictionFacts] = []
        self.failure: Exception | None = None
        self._lock = threading.Lock()

    def __call__(self, facts: PredictionFacts, /) -> int:
        """The place of ``facts`` in the list."""
        with self._lock:
            if self.failure is not None:
                raise self.failure
            self.facts.append(facts)
            return len(self.facts) - 1


def tokens(token: str = TOKEN) -> HashedTokens:
    """A check that knows one token."""
    return HashedTokens([(hashlib.sha256(token.encode()).hexdigest(), ACTOR)])


def verified(content: bytes) -> VerifiedModel:
    """``content`` as if a statement named it."""
    return VerifiedModel(content, hashlib.sha256(content).hexdigest(), "5" * 64)


def self_signed() -> ServerIdentity:
    """A certificate for this machine that is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2120, 1, 1, tzinfo=UTC))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), loopback]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    kind, unprotected = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return ServerIdentity(
        certificate.public_bytes(pem), key.private_bytes(pem, kind, unprotected)
    )


class AppClient:
    """Asks an application directly, without a network; closes it at the end of the block."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self.headers = {"authorization": f"Bearer {TOKEN}"}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._app.close()

    def get(self, path: str) -> httpx.Response:
        """The answer to a GET."""
        return asyncio.run(self._ask("GET", path))

    def post(self, path: str, **content: Any) -> httpx.Response:
        """The answer to a POST; ``content`` as httpx takes it."""
        return asyncio.run(self._ask("POST", path, **content))

    async def _ask(self, method: str, path: str, **content: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self._app, raise_app_exceptions=False)
        async with httpx.AsyncClient(
            transport=transport, base_url="https://app", headers=self.headers
        ) as client:
            return await client.request(method, path, **content)


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers at this moment."""

    port: int
    tls: ssl.SSLContext
    """Trusts the server's certificate, and no other."""
    authority: str
    """That certificate, PEM."""
    server: HttpsServer

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"https://127.0.0.1:{self.port}"


@contextmanager
def running(app: Application, identity: ServerIdentity | None = None) -> Iterator[Running]:
    """``app`` behind HTTPS on a free port of this machine while the block lasts."""
    identity = identity or self_signed()
    server = HttpsServer(app, Address(), identity)
    bound = threading.Event()
    ports: list[int] = []
    failures: list[Exception] = []

    def on_bound(port: int) -> None:
        ports.append(port)
        bound.set()

    def run() -> None:
        try:
            server.run(on_bound)
        except Exception as failure:  # noqa: BLE001 - told to the test below
            failures.append(failure)
        bound.set()

    thread = threading.Thread(target=run, name="inference-server")
    thread.start()
    bound.wait()
    try:
        if failures:
            raise failures[0]
        authority = identity.certificate_pem.decode()
        tls = ssl.create_default_context(cadata=authority)
        yield Running(ports[0], tls, authority, server)
    finally:
        server.stop()
        thread.join()
