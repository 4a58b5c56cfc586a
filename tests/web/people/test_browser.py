"""The pages in a real browser, with a passkey of its virtual authenticator."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyotp
import pytest

from cloister.core.clock import SystemClock
from cloister.workflows.people.invitations import invite
from tests.web.people.browser import PASSWORD, application, desk_of
from tests.web.people.chromium import FOUND, Chromium, chromium, served
from tests.workflows.people.conftest import Team

pytestmark = pytest.mark.skipif(FOUND is None, reason="no chromium")
LOOK = os.environ.get("CLOISTER_TEST_PICTURES")
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with chromium() as page:
        yield page


@pytest.fixture
def site(team: Team, browser: Chromium) -> Iterator[tuple[Team, str]]:
    """The pages over HTTPS, by today's clock."""
    today = replace(team, lab=replace(team.lab, clock=SystemClock()))
    with served(application(desk_of(today)), today.lab) as port:
        yield today, f"https://localhost:{port}"
        browser.ask("Page.navigate", url="about:blank")  # a page of the console listens on


def pictures(page: Chromium, name: str) -> None:
    """Of one page, wide and narrow, light and dark, where somebody wants to look."""
    if LOOK:
        for dark in (False, True):
            mode = "dark" if dark else "light"
            page.look(Path(LOOK) / f"{name}-{mode}.png", 1100, 900, dark=dark)
            page.look(Path(LOOK) / f"{name}-{mode}-narrow.png", 390, 840, dark=dark)


def overflow(page: Chromium) -> bool:
    """Whether the page is wider than a telephone."""
    page.ask(
        "Emulation.setDeviceMetricsOverride",
        width=390,
        height=840,
        deviceScaleFactor=1,
        mobile=False,
    )
    wide: bool = page.run("document.documentElement.scrollWidth > 391")
    return wide


def test_a_passkey_is_made_used_and_proves_who_one_is(
    browser: Chromium, site: tuple[Team, str]
) -> None:
    team, address = site
    team.member("passkey person", "admin")
    device = browser.ask("WebAuthn.addVirtualAuthenticator", options=AUTHENTICATOR)
    browser.go(address + invite(team.lab, "passkey person").path)
    pictures(browser, "join")
    assert not overflow(browser)
    browser.click("button[data-make]")
    browser.until("!location.pathname.startsWith('/join')")
    browser.go(address + "/account")
    pictures(browser, "account")
    assert not overflow(browser)
    browser.click("header form button")
    browser.until("location.pathname === '/login'")
    pictures(browser, "login")
    assert not overflow(browser)
    browser.click("button[data-passkey]")
    browser.until("location.pathname !== '/login'")
    browser.go(address + "/account/prove?next=/account")
    pictures(browser, "prove")
    browser.click("button[data-passkey]")
    browser.until("location.pathname === '/account'")
    browser.click("header form button")
    browser.until("location.pathname === '/login'")
    browser.ask("WebAuthn.removeVirtualAuthenticator", **device)


def test_a_password_and_a_code_typed_by_a_person(
    browser: Chromium, site: tuple[Team, str]
) -> None:
    team, address = site
    team.member("typing person", "engineer")
    browser.go(address + invite(team.lab, "typing person").path)
    secret = browser.run("document.querySelector('main form code').innerText")
    assert browser.run("document.querySelector('.qr svg').getBoundingClientRect().width") > 150
    browser.fill("password", PASSWORD)
    browser.fill("again", PASSWORD)
    browser.fill("code", pyotp.TOTP(secret).now())
    browser.click("main form button")
    browser.until("location.pathname === '/account'")
    assert browser.run("document.cookie") == ""  # no script reads the session
    browser.click("header form button")
    browser.until("location.pathname === '/login'")
    browser.fill("name", "typing person")
    browser.fill("password", "wrong password")
    browser.fill("code", "000000")
    browser.click("main form button")
    browser.until("document.body.innerText.includes('is wrong')")
    pictures(browser, "refused")


def test_every_input_has_a_label_and_the_page_a_title(
    browser: Chromium, site: tuple[Team, str]
) -> None:
    _, address = site
    browser.go(address + "/login")
    bare = "[...document.querySelectorAll('input:not([type=hidden])')]"
    assert browser.run(f"{bare}.filter((one) => !one.labels.length).length") == 0
    assert "Cloister" in browser.run("document.title")
    assert browser.run("document.documentElement.lang") == "en"
    assert browser.run("document.querySelectorAll('h1').length") == 1
