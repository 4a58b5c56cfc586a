"""A browser without a window, and an authenticator without a finger."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import cbor2
import pyotp
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.testclient import TestClient

from cloister.web.console import api, static
from cloister.web.console.api import Counter
from cloister.web.console.live import Watch
from cloister.web.credentials import presented_token
from cloister.web.limits import Limits
from cloister.web.people.desk import Desk, new_desk
from cloister.web.people.gate import NOBODY, Gate
from cloister.web.people.oidc import Provider
from cloister.web.people.routes import routes
from cloister.workflows.people.invitations import invite
from cloister.workflows.people.tokens import actor_of_token
from cloister.workflows.tracking.visit import Visit
from tests.workflows.people.conftest import Team

HOST = "localhost:8443"
ORIGIN = f"https://{HOST}"
PASSWORD = "seven gentle otters"  # nobody's


def application(desk: Desk) -> Starlette:
    """The pages of ``desk`` and the console's interface, without the server around them."""

    def broken(failure: BaseException) -> None:
        raise failure

    def keeper(headers: Headers) -> Visit | None:
        actor = actor_of_token(desk.lab, presented_token(headers) or "")
        return None if actor is None else Visit(replace(desk.lab, actor=actor))

    threads = ThreadPoolExecutor(4)
    counter = Counter(desk, keeper, threads, threads, Limits(), broken, Watch(desk.lab))
    every = [
        *api.routes(counter),
        *routes(desk, threads, broken),
        *static.routes(desk, threads),
    ]
    return Starlette(routes=every)


def desk_of(team: Team, provider: Provider | None = None) -> Desk:
    """The pages' desk of a team's lab."""
    gate = Gate(replace(team.lab, actor=NOBODY), frozenset({"localhost", "127.0.0.1"}))
    return new_desk(gate, provider)


class Browser:
    """Keeps cookies, sends Origin, follows nothing by itself."""

    def __init__(self, app: Starlette, address: str = "10.0.0.1") -> None:
        self.client = TestClient(
            app, base_url=ORIGIN, follow_redirects=False, client=(address, 40000)
        )

    def get(self, path: str, **more: Any) -> Any:
        return self.client.get(path, **more)

    def post(self, path: str, origin: str | None = ORIGIN, **fields: Any) -> Any:
        headers = {} if origin is None else {"origin": origin}
        return self.client.post(path, data=fields, headers=headers)

    def call(self, method: str, path: str, origin: str | None = ORIGIN, **fields: Any) -> Any:
        """One call of the console's interface, as its pages make it."""
        headers = {} if origin is None or method == "GET" else {"origin": origin}
        if method in {"GET", "DELETE"}:
            return self.client.request(method, f"/api/1{path}", params=fields, headers=headers)
        return self.client.request(method, f"/api/1{path}", json=fields, headers=headers)

    @property
    def cookie(self) -> str | None:
        return self.client.cookies.get("__Host-cloister")


@dataclass
class Person:
    """A member with a password, a second factor and a browser."""

    team: Team
    name: str
    browser: Browser
    secret: str
    password: str = PASSWORD

    def code(self) -> str:
        """A code nobody has used: time goes on by a step for each."""
        self.team.clock.advance(timedelta(seconds=30))
        return pyotp.TOTP(self.secret).at(self.team.clock.now())

    def log_in(self, browser: Browser | None = None) -> Any:
        return (browser or self.browser).post(
            "/login", name=self.name, password=self.password, code=self.code()
        )

    def prove(self) -> Any:
        return self.browser.post("/account/prove", password=self.password, code=self.code())


def joined(team: Team, app: Starlette, name: str, role: str, *into: str) -> Person:
    """A new member who followed their invitation and is logged in."""
    team.member(name, role, *into)
    browser = Browser(app)
    path = invite(team.lab, name).path
    page = browser.get(path)
    assert page.status_code == 200, page.text
    found = re.search(r"<code>([A-Z2-7]{32})</code>", page.text)
    assert found is not None
    person = Person(team, name, browser, found[1])
    answer = browser.post(path, password=PASSWORD, again=PASSWORD, code=person.code())
    assert answer.status_code == 303, answer.text
    assert browser.cookie is not None
    return person


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def raw(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Authenticator:
    """A passkey of one site (WebAuthn level 2, ES256): what a device holds and does."""

    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    identity: bytes = field(default_factory=lambda: os.urandom(32))
    count: int = 0
    flags: int = 0x05  # the person was present, and was verified
    counts: bool = True

    def clone(self) -> Authenticator:
        """A copy that somebody made of the device."""
        return Authenticator(self.key, self.identity, self.count, self.flags)

    def create(self, options: dict[str, Any], origin: str = ORIGIN) -> str:
        """What the browser answers to ``navigator.credentials.create``."""
        numbers = self.key.public_key().public_numbers()
        public = cbor2.dumps(
            {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)}
        )
        attested = bytes(16) + len(self.identity).to_bytes(2) + self.identity + public
        data = self._data(options["rp"]["id"], 0x40) + attested
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client = self._client("webauthn.create", options["challenge"], origin)
        return self._answer(clientDataJSON=b64(client), attestationObject=b64(attestation))

    def get(self, options: dict[str, Any], origin: str = ORIGIN, site: str = "") -> str:
        """What the browser answers to ``navigator.credentials.get``."""
        data = self._data(site or options["rpId"])
        client = self._client("webauthn.get", options["challenge"], origin)
        signed = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        return self._answer(
            clientDataJSON=b64(client), authenticatorData=b64(data), signature=b64(signed)
        )

    def _data(self, site: str, more: int = 0) -> bytes:
        self.count += self.counts
        head = hashlib.sha256(site.encode()).digest() + bytes([self.flags | more])
        return head + self.count.to_bytes(4)

    def _client(self, kind: str, challenge: str, origin: str) -> bytes:
        said = {"type": kind, "challenge": challenge, "origin": origin, "crossOrigin": False}
        return json.dumps(said).encode()

    def _answer(self, **response: str) -> str:
        return json.dumps(
            {
                "id": b64(self.identity),
                "rawId": b64(self.identity),
                "type": "public-key",
                "response": response,
            }
        )


def with_passkey(person: Person) -> Authenticator:
    """A passkey added to the account of a member who is present."""
    device = Authenticator()
    asked = person.browser.post("/account/passkeys/options").json()
    answer = person.browser.post(
        "/account/passkeys",
        answer=device.create(asked["options"]),
        challenge=asked["challenge"],
        label="blue key",
    )
    assert answer.status_code == 200, answer.text
    return device


def by_passkey(browser: Browser, device: Authenticator, **how: Any) -> Any:
    """A login with a passkey."""
    asked = browser.post("/login/passkey/options").json()
    return browser.post(
        "/login/passkey",
        answer=device.get(asked["options"], **how),
        challenge=asked["challenge"],
    )
