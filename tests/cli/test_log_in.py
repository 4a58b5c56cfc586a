"""`cloister up` and the first account, as a person would make it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

import httpx
import pyotp
import pytest

from tests.cli.gateway import Gateway, gateway
from tests.conftest import Shell

PASSWORD = "nine patient herons"  # nobody's


class Visitor:
    """A browser of the lab's own CA."""

    def __init__(self, up: Gateway) -> None:
        self.client = up.client(auth=None)
        self.origin = up.said["url"]

    def post(self, path: str, **fields: str) -> httpx.Response:
        return self.client.post(path, data=fields, headers={"origin": self.origin})

    def join(self, address: str) -> str:
        """Follows an invitation; gives the secret of the second factor."""
        path = address.removeprefix(self.origin)
        found = re.search(r"<code>([A-Z2-7]{32})</code>", self.client.get(path).text)
        assert found is not None
        code = pyotp.TOTP(found[1]).now()
        done = self.post(path, password=PASSWORD, again=PASSWORD, code=code)
        assert done.status_code == 303, done.text
        return found[1]


Made = Callable[[Gateway], Visitor]


@pytest.fixture
def made() -> Iterator[Made]:
    """Makes visitors, and sees them off."""
    visitors: list[Visitor] = []

    def make(up: Gateway) -> Visitor:
        visitors.append(Visitor(up))
        return visitors[-1]

    yield make
    for visitor in visitors:
        visitor.client.close()


def test_the_first_start_prints_a_link_to_the_first_account(lab: Shell, made: Made) -> None:
    with gateway(lab) as up:
        first = made(up)
        secret = first.join(up.said["join"])
        page = first.client.get("/account")
        assert page.status_code == 200
        cookie = first.client.cookies.get("__Host-cloister")
        issued = first.post("/account/tokens", purpose="notebook", days="3")
        (token,) = re.findall(r"<code>(clo_[\w-]{43})</code>", issued.text)
        asked = {"authorization": f"Bearer {token}"}
        with up.client(auth=None) as program:
            search = "/api/2.0/mlflow/experiments/search"
            answer = program.post(search, headers=asked, json={"max_results": 9})
            assert answer.status_code == 200, answer.text
            lab("token", "revoke", lab.json("token", "ls")[0]["token"])
            answer = program.post(search, headers=asked, json={"max_results": 9})
            assert answer.status_code == 401  # revoked at the machine, void at the gateway
        (session,) = lab.json("session", "ls")
        lab("session", "close", session["session"])
        assert first.client.get("/account").status_code == 303
    with gateway(lab) as up:
        assert up.said["join"] is None
        again = made(up)
        name = lab.json("person", "ls")[0]["name"]
        code = pyotp.TOTP(secret).at(time.time() + 30)  # the one after that of the join
        done = again.post("/login", name=name, password=PASSWORD, code=code)
        assert done.status_code == 303, done.text
        assert again.client.cookies.get("__Host-cloister") not in {None, cookie}
    assert lab.json("audit")["whole"]


def test_a_member_invited_at_the_machine_joins_and_is_removed(lab: Shell, made: Made) -> None:
    lab("person", "add", "ada", "--role", "engineer")
    path = lab.json("person", "invite", "ada")["path"]
    with gateway(lab) as up:
        ada = made(up)
        ada.join(up.said["url"] + path)
        assert "ada, engineer" in ada.client.get("/account").text
        asked = {"name": "x", "role": "admin"}
        added = ada.client.post("/api/1/people", json=asked, headers={"origin": ada.origin})
        assert added.status_code == 403
        lab("person", "remove", "ada")
        assert ada.client.get("/account").status_code == 303
        document = ada.client.get("/openapi.json").json()
        assert "/login" in document["paths"]
    assert lab.json("audit")["whole"]
