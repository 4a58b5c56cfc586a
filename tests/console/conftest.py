"""One lab, one service and one browser for all tests of the console."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.cli.gateway import gateway
from tests.conftest import new_shell
from tests.console.content import fill
from tests.console.site import CHROMIUM, FLAGS, Member, Seen, Site, opened

HERE = Path(__file__).resolve().parent
Visit = Callable[..., Page]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All in one worker, so that there is one lab; and none where there is no browser."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("console"))
            if not Path(CHROMIUM).is_file():
                item.add_marker(pytest.mark.skip(reason="no chromium"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without a window; no longer than a module, for its event loop is in the way."""
    expect.set_options(timeout=60_000)  # a page may take long
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield made
        made.close()


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    """The console of a lab with content, and its admin."""
    with new_shell() as shell:
        fill(shell)
        with gateway(shell, "--folder", str(shell.folder)) as up:
            made = Site(shell, up)
            name = shell.json("person", "ls")[0]["name"]
            made.members["admin"] = made.join(name, up.said["join"].removeprefix(made.url))
            yield made


@pytest.fixture
def seen() -> Seen:
    """What pages did in this test; what is wanted is said in ``seen.forgiven``."""
    return Seen()


@pytest.fixture
def visit(browser: Browser, site: Site, seen: Seen) -> Iterator[Visit]:
    """Opens a page at an address, as a member; it must have asked nobody else, quietly."""
    pages: list[Page] = []

    def go(address: str, who: Member | None = None) -> Page:
        page = opened(browser, site, who or site.members["admin"], seen)
        pages.append(page)
        page.goto(address)
        return page

    yield go
    for page in pages:
        page.context.close()
    seen.check()
