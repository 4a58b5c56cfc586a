"""What a page does when the service under it is killed, and when its session ends."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect

from tests.cli.gateway import Gateway, gateway
from tests.conftest import Shell, new_lab
from tests.console.conftest import Visit
from tests.console.site import Seen, Site, accessible, look, opened

ENDED = ("401", "ERR_", "503", "Failed to load resource")


@pytest.fixture
def own() -> Iterator[Shell]:
    with new_lab() as shell:
        yield shell


def test_a_page_goes_on_by_itself_when_the_service_was_killed(
    browser: Browser, own: Shell, seen: Seen
) -> None:
    seen.forgiven += ENDED  # the browser says that nothing answered
    with killed(own) as first:
        name = own.json("person", "ls")[0]["name"]
        site = Site(own, first)
        admin = site.join(name, first.said["join"].removeprefix(site.url))
        page = opened(browser, site, admin, seen)
        page.goto("/people")
        expect(page.get_by_text("Live", exact=True)).to_be_visible()
        page.get_by_label("Name").fill("half typed")
    expect(page.get_by_text("Reconnecting…")).to_be_visible(timeout=120_000)
    own("person", "add", "added meanwhile", "--role", "site")
    with gateway(own, "--port", str(urlsplit(site.url).port)):
        expect(page.get_by_text("Live", exact=True)).to_be_visible(timeout=120_000)
        expect(page.get_by_role("cell", name="added meanwhile", exact=True)).to_be_visible()
        assert page.get_by_label("Name").input_value() == "half typed"
        page.context.close()
    seen.check()


class killed:
    """A service that ends by SIGKILL."""

    def __init__(self, shell: Shell) -> None:
        self._process = shell.start("--json", "up", "--port", "0")

    def __enter__(self) -> Gateway:
        assert self._process.stdout is not None
        text = ""
        while not text.endswith("\n}\n"):
            text += self._process.stdout.readline()
        return Gateway(self._process, json.loads(text))

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.communicate()


def test_a_session_that_ends_in_the_middle_says_so_and_keeps_what_was_typed(
    visit: Visit, site: Site, seen: Seen
) -> None:
    seen.forgiven += ENDED
    member = site.member("leaves early", "admin")
    page = visit("/people", member)
    page.get_by_label("Name").fill("half typed")
    (session,) = [
        one for one in site.shell.json("session", "ls") if one["whose"] == "leaves early"
    ]
    site.shell("session", "close", session["session"])
    page.get_by_role("button", name="Add and invite").click()
    expect(page.get_by_role("dialog", name="Your session is over")).to_be_visible()
    expect(page.get_by_role("link", name="Log in here")).to_have_attribute(
        "href", "/login?next=%2Fpeople"
    )
    look(page, "session-over")
    accessible(page)
    page.keyboard.press("Escape")
    assert page.get_by_label("Name").input_value() == "half typed"


def test_whoever_is_not_logged_in_comes_back_to_the_page_after_it(
    browser: Browser, site: Site, seen: Seen
) -> None:
    page = opened(browser, site, None, seen)
    page.goto("/ledger/3")
    assert page.url == f"{site.url}/login?next=/ledger/3"
    page.context.close()
    seen.check()
