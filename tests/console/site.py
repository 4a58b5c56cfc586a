"""A lab's console over HTTPS, who may log in there, and what a page must never do."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import pyotp
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect

from tests.cli.gateway import Gateway
from tests.conftest import ROOT, Shell

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
PASSWORD = "nine patient herons"  # nobody's
PICTURES = os.environ.get("CLOISTER_TEST_PICTURES")
AXE = ROOT / "console/node_modules/axe-core/axe.min.js"
WIDE, NARROW = {"width": 1280, "height": 860}, {"width": 390, "height": 844}


@dataclass
class Member:
    """Somebody who can log in."""

    name: str
    secret: str
    """Of the second factor."""
    cookie: str
    used: int = 0
    """The step of the last code."""

    def code(self) -> str:
        """A code that is good and was not used: each is good once, and one step early."""
        step = int(time.time()) // 30
        step = max(step, self.used + 1)
        assert step <= int(time.time()) // 30 + 1, "codes were used faster than they come"
        self.used = step
        return pyotp.TOTP(self.secret).at(step * 30)


@dataclass
class Site:
    """The console of one lab."""

    shell: Shell
    up: Gateway
    members: dict[str, Member] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return str(self.up.said["url"])

    def join(self, name: str, path: str) -> Member:
        """Follows an invitation, without a browser."""
        with self.up.client(auth=None) as client:
            page = client.get(path)
            found = re.search(r"<code>([A-Z2-7]{32})</code>", page.text)
            assert found is not None, page.text
            member = Member(name, found[1], "")
            said = {"password": PASSWORD, "again": PASSWORD, "code": member.code()}
            done = client.post(path, data=said, headers={"origin": self.url})
            assert done.status_code == 303, done.text
            member.cookie = client.cookies["__Host-cloister"]
        self.members[name] = member
        return member

    def member(self, name: str, role: str) -> Member:
        """A member of that name, added where there is none yet."""
        if name not in self.members:
            self.shell("person", "add", name, "--role", role)
            self.join(name, self.shell.json("person", "invite", name)["path"])
        return self.members[name]


@dataclass
class Seen:
    """What the pages of one browser did."""

    errors: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    forgiven: list[str] = field(default_factory=list)
    """Parts of messages that a test brings about on purpose."""

    def watch(self, context: BrowserContext, origin: str) -> None:
        def asked(request: Request) -> None:
            parts = urlsplit(request.url)
            if parts.scheme in {"data", "blob"}:
                return
            if f"{parts.scheme}://{parts.netloc}" != origin:
                self.elsewhere.append(request.url)

        def said(message: ConsoleMessage) -> None:
            if message.type in {"error", "warning"}:
                self.errors.append(f"{message.text} ({message.location.get('url', '')})")

        context.on("request", asked)
        context.on("console", said)
        context.on("weberror", lambda error: self.errors.append(str(error.error)))

    def check(self) -> None:
        """No request left the origin, and nothing went wrong that the test did not want."""
        assert not self.elsewhere, self.elsewhere
        bad = [one for one in self.errors if not any(part in one for part in self.forgiven)]
        assert not bad, bad


def opened(browser: Browser, site: Site, who: Member | None, seen: Seen) -> Page:
    """A page of a browser of its own, logged in as ``who``."""
    context = browser.new_context(ignore_https_errors=True, viewport=WIDE, base_url=site.url)
    context.set_default_timeout(60_000)
    seen.watch(context, site.url)
    if who is not None:
        log_in(context, site, who)
    return context.new_page()


def log_in(context: BrowserContext, site: Site, who: Member) -> None:
    """This browser is ``who`` from now on."""
    cookie = {"name": "__Host-cloister", "value": who.cookie, "url": site.url}
    context.add_cookies([{**cookie, "httpOnly": True, "secure": True, "sameSite": "Lax"}])


def settled(page: Page) -> None:
    """Waits until nothing is on its way any more."""
    asked = page.locator("dialog[open]")  # what lies under a question waits for its answer
    where = asked if asked.count() else page.locator("body")
    expect(where.locator("[class*=_loading_], [aria-busy=true]")).to_have_count(0)
    page.evaluate("document.fonts.ready")


def look(page: Page, name: str) -> None:
    """Pictures of the page, light and dark, wide and narrow; and that it is not too wide.

    They are written where the environment names a folder, for whoever wants to look.
    """
    for width, size in (("wide", WIDE), ("narrow", NARROW)):
        page.set_viewport_size(size)
        page.evaluate("scrollTo(0, 0)")
        for mode in ("light", "dark"):
            colour(page, mode)
            settled(page)
            if PICTURES:
                picture = Image.open(BytesIO(page.screenshot(full_page=True)))
                few = picture.convert("RGB").quantize(64, dither=Image.Dither.NONE)
                few.save(Path(PICTURES) / f"{name}-{mode}-{width}.png", optimize=True)
        over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert over <= 1, f"{name} is {over} px wider than {width}"
    page.set_viewport_size(WIDE)
    colour(page, "light")


def colour(page: Page, mode: Literal["light", "dark"]) -> None:
    """As if the system's colours were these; back when the page has them."""
    page.emulate_media(color_scheme=mode)
    expect(page.locator("html")).to_have_attribute("data-theme", mode)


def accessible(page: Page, *, but: tuple[str, ...] = ()) -> None:
    """Raises where axe-core finds something serious, in light and in dark."""
    assert AXE.is_file(), "axe-core is missing: run `make console`"
    session = page.context.new_cdp_session(page)
    session.send("Runtime.evaluate", {"expression": AXE.read_text()})
    for mode in ("light", "dark"):
        colour(page, mode)
        settled(page)
        found: list[dict[str, Any]] = page.evaluate("axe.run().then((one) => one.violations)")
        bad = [
            (one["id"], [node["target"] for node in one["nodes"]][:4], mode)
            for one in found
            if one["impact"] in {"serious", "critical"} and one["id"] not in but
        ]
        assert not bad, bad
    colour(page, "light")
