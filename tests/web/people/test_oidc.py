"""Logging in with an OpenID provider: a real one, in a thread of this process."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import oidc_provider_mock
import pytest
from oidc_provider_mock import User

from cloister.core.errors import BadInput, NotAllowed
from cloister.identity.provider import ProviderSettings, check_address
from cloister.web.people.oidc import Provider, Sent
from cloister.workflows.people.elsewhere import Identity, new_identity, show_elsewhere
from cloister.workflows.people.invitations import invite, join_with
from cloister.workflows.people.sessions import actor_of_session, open_session
from tests.web.people.browser import ORIGIN, Browser, application, desk_of
from tests.workflows.people.conftest import Team

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """A provider that lets in whoever says who they are."""
    recent = User(sub="recent", claims={"auth_time": int(time.time())})
    stale = User(sub="stale", claims={"auth_time": int(time.time()) - 4000})
    with oidc_provider_mock.run_server_in_thread(user_claims=[recent, stale]) as server:
        yield f"http://localhost:{server.server_port}"


@pytest.fixture
def provider(team: Team, issuer: str) -> Provider:
    settings = ProviderSettings(issuer, "cloister", lambda: "a secret", "the hospital")
    return Provider(settings, SystemTime(), team.lab.randomness)


class SystemTime:
    """The provider lives in today's time, whatever the lab's clock says."""

    def now(self) -> Any:
        from cloister.core.clock import SystemClock

        return SystemClock().now()

    def monotonic_s(self) -> float:
        return time.monotonic()


@pytest.fixture
def app(team: Team, provider: Provider) -> Any:
    today = replace(team.lab, clock=SystemTime())
    return application(desk_of(replace(team, lab=today), provider))


def at_the_provider(address: str, subject: str) -> str:
    """What the provider sends the browser back to."""
    answer = httpx.post(address, data={"sub": subject}, follow_redirects=False)
    assert answer.status_code == 302, answer.text
    back: str = answer.headers["location"]
    assert back.startswith(f"{ORIGIN}/login/oidc/back?")
    return back.removeprefix(ORIGIN)


def through(browser: Browser, path: str, subject: str) -> Any:
    """All the way to the provider and back."""
    away = browser.get(path)
    assert away.status_code == 303, away.text
    return browser.get(at_the_provider(away.headers["location"], subject))


def joined_by(team: Team, app: Any, name: str, subject: str, role: str = "engineer") -> Browser:
    """A member whose first login was at the provider."""
    team.member(name, role)
    browser = Browser(app)
    link = invite(replace(team.lab, clock=SystemTime()), name).path
    done = through(browser, f"{link}/oidc", subject)
    assert done.status_code == 303, done.text
    return browser


def test_an_invited_person_joins_and_logs_in_at_the_provider(team: Team, app: Any) -> None:
    first = joined_by(team, app, "olga", "olga at work")
    assert "olga" in first.get("/account").text
    again = Browser(app)
    done = through(again, "/login/oidc?next=/approvals", "olga at work")
    assert done.headers["location"] == "/approvals"
    assert again.call("GET", "/approvals").status_code == 200


def test_nobody_becomes_a_member_by_being_known_elsewhere(team: Team, app: Any) -> None:
    browser = Browser(app)
    done = through(browser, "/login/oidc", "somebody else")
    assert done.status_code == 403
    assert browser.cookie is None


def test_what_is_grave_needs_a_login_that_the_provider_saw_just_now(
    team: Team, app: Any
) -> None:
    for subject, status in (("recent", 201), ("stale", 403)):
        admin = joined_by(team, app, f"admin {subject}", subject, "admin")
        through(admin, "/login/oidc", subject)
        answer = admin.call("POST", "/people", name=f"by {subject}", role="site")
        assert answer.status_code == status, subject


def test_an_identity_is_added_to_an_account_and_is_nobody_elses(team: Team, app: Any) -> None:
    one, other = (joined_by(team, app, name, name) for name in ("first", "second"))
    taken = through(other, "/account/oidc", "first")
    assert taken.status_code in {403, 409}
    assert "first" in one.get("/account").text


def test_an_answer_that_was_not_asked_for_here_is_refused(team: Team, app: Any) -> None:
    joined_by(team, app, "victim", "victim")
    eve = Browser(app)
    away = eve.get("/login/oidc")
    back = at_the_provider(away.headers["location"], "victim")
    assert Browser(app).get(back).status_code == 403  # another browser: no cookie of the visit
    forged = re.sub(r"state=[^&]+", "state=guess", back)
    assert eve.get(forged).status_code == 403
    assert eve.get(back).status_code == 403  # and the visit is over


def test_a_code_is_redeemed_once(team: Team, app: Any, provider: Provider) -> None:
    address, sent = provider.send(f"{ORIGIN}/login/oidc/back", "login", "/")
    query = {
        key: values[0]
        for key, values in parse_qs(urlsplit(at_the_provider(address, "twice")).query).items()
    }
    assert provider.receive(sent, query).subject == "twice"
    with pytest.raises(NotAllowed):
        provider.receive(sent, query)


@pytest.mark.parametrize("what", ["nonce", "client", "issuer", "time"])
def test_a_token_for_somebody_else_does_not_hold(
    team: Team, issuer: str, provider: Provider, what: str
) -> None:
    """Each check of OpenID Connect Core 3.1.3.7, taken one at a time."""
    address, sent = provider.send(f"{ORIGIN}/login/oidc/back", "login", "/")
    query = {
        key: values[0]
        for key, values in parse_qs(urlsplit(at_the_provider(address, "x")).query).items()
    }
    asked = provider
    if what == "nonce":
        sent = Sent(sent.state, "another", sent.verifier, sent.back, "login")
    elif what == "client":
        asked = _told(provider, team, client_id="another client")
    elif what == "issuer":
        query["iss"] = "https://another.example"
    else:
        asked = Provider(provider.settings, team.clock, team.lab.randomness)
    with pytest.raises(NotAllowed):
        asked.receive(sent, query)


def _told(provider: Provider, team: Team, **changed: Any) -> Provider:
    settings = replace(provider.settings, **changed)
    return Provider(settings, SystemTime(), team.lab.randomness)


def test_a_provider_that_does_not_say_when_proves_nobody_present(team: Team) -> None:
    team.member("vague", "admin")
    identity = Identity("https://idp.example", "vague", None)
    join_with(team.lab, invite(team.lab, "vague").secret, new_identity(identity))
    opened = open_session(team.lab, show_elsewhere(team.lab, identity))
    found = actor_of_session(team.lab, opened.secret)
    assert found is not None
    assert not found[1].present


class _Impostor(BaseHTTPRequestHandler):
    """Answers in another provider's name."""

    def do_GET(self) -> None:
        body = json.dumps({"issuer": "https://idp.example"}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quietly."""


def test_a_provider_that_calls_itself_otherwise_is_refused(team: Team) -> None:
    with HTTPServer(("127.0.0.1", 0), _Impostor) as server:
        Thread(target=server.handle_request, daemon=True).start()
        settings = ProviderSettings(
            f"http://127.0.0.1:{server.server_port}", "cloister", lambda: "a secret"
        )
        asked = Provider(settings, SystemTime(), team.lab.randomness)
        with pytest.raises(BadInput, match="another name"):
            asked.send("https://x/", "login", "/")


@pytest.mark.parametrize("address", ["http://idp.example", "ftp://localhost", "file:///x", ""])
def test_a_provider_is_reached_over_https(address: str) -> None:
    with pytest.raises(BadInput):
        check_address(address)


def test_a_lab_without_a_provider_sends_nobody_anywhere(team: Team) -> None:
    browser = Browser(application(desk_of(team)))
    assert browser.get("/login/oidc").status_code == 404
    assert "Continue with" not in browser.get("/login").text


def test_the_button_says_the_providers_name(app: Any) -> None:
    assert "Continue with the hospital" in Browser(app).get("/login").text
