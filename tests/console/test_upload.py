"""Data added through a real browser, while the service is killed and tabs are closed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.cli.gateway import Gateway, gateway
from tests.conftest import Shell
from tests.console.content import pictures
from tests.console.site import Seen, Site, accessible, look, opened


@dataclass
class Fragile:
    """A site whose service can be killed, and comes back at the same address."""

    shell: Shell
    site: Site
    holder: Any

    def kill(self) -> None:
        self.site.up.process.kill()
        self.site.up.process.wait()
        self.holder.__exit__(None, None, None)

    def start(self) -> None:
        port = self.site.url.rpartition(":")[2]
        self.holder = gateway(self.shell, "--port", port)
        self.site.up = self.holder.__enter__()


@pytest.fixture(scope="module")
def lab() -> Iterator[Shell]:
    """An empty lab, and a folder of pictures that is not in it."""
    from tests.conftest import new_lab

    with new_lab() as shell:
        pictures(shell.folder / "slides")
        yield shell


@pytest.fixture(scope="module")
def fragile(lab: Shell) -> Iterator[Fragile]:
    holder = gateway(lab)
    up: Gateway = holder.__enter__()
    site = Site(lab, up)
    name = lab.json("person", "ls")[0]["name"]
    site.members["admin"] = site.join(name, up.said["join"].removeprefix(site.url))
    made = Fragile(lab, site, holder)
    yield made
    made.holder.__exit__(None, None, None)


def page_of(browser: Browser, fragile: Fragile, seen: Seen) -> Page:
    page = opened(browser, fragile.site, fragile.site.members["admin"], seen)
    page.on("dialog", lambda dialog: dialog.accept())
    return page


def choose(page: Page, folder: Path, labels: Path | None = None) -> None:
    page.locator("input[name=folder]").set_input_files(folder)
    if labels is not None:
        page.locator("input[name=labels]").set_input_files(labels)
    expect(page.get_by_label("Pattern on paths")).to_have_value("^([^/]+)/")


SLOWLY = """
const real = window.fetch;
window.pause = 60;
window.fetch = async (where, how) => {
  if (how?.method === "PATCH") await new Promise((then) => setTimeout(then, window.pause));
  return real(where, how);
};
"""
"""Each piece takes a moment, so that something can happen meanwhile."""


def test_a_folder_comes_through_although_the_service_is_killed(
    browser: Browser, fragile: Fragile
) -> None:
    seen = Seen()
    page = page_of(browser, fragile, seen)
    page.add_init_script(SLOWLY)
    page.goto(f"{fragile.site.url}/data")
    expect(page.get_by_text("No data yet")).to_be_visible()
    look(page, "data-empty")
    page.get_by_role("link", name="Add data", exact=True).click()
    page.get_by_label("Dataset").fill("slides")
    choose(page, fragile.shell.folder / "slides", fragile.shell.folder / "labels.csv")
    expect(page.get_by_text("8 patients, such as P00; 0 files of nobody")).to_be_visible()
    look(page, "add")
    accessible(page)
    page.get_by_role("button", name="Send and add").click()
    expect(page.get_by_role("heading", name="Sending")).to_be_visible()
    fragile.kill()
    expect(page.get_by_text("waiting for it")).to_be_visible()
    fragile.start()
    page.evaluate("window.pause = 0")
    expect(page.get_by_text("It is added")).to_be_visible(timeout=120_000)
    page.get_by_role("link", name="slides@1").click()
    expect(page.get_by_text("24 records of 8 subjects")).to_be_visible()
    expect(page.get_by_text("the same image or file under two patients")).to_be_visible()
    assert not seen.elsewhere
    page.context.close()


def test_a_closed_tab_goes_on_in_another(browser: Browser, fragile: Fragile) -> None:
    seen = Seen()
    folder = fragile.shell.folder / "more"
    shutil.copytree(fragile.shell.folder / "slides", folder)
    first = page_of(browser, fragile, seen)
    first.add_init_script(SLOWLY)
    first.goto(f"{fragile.site.url}/data/add")
    first.get_by_label("Dataset").fill("more")
    choose(first, folder)
    first.get_by_role("button", name="Send and add").click()
    expect(first.get_by_role("heading", name="Sending")).to_be_visible()
    first.wait_for_timeout(200)
    first.context.close()
    page = page_of(browser, fragile, seen)
    page.goto(f"{fragile.site.url}/data")
    page.get_by_role("link", name="Go on").click()
    expect(page.get_by_text("only what is missing is sent")).to_be_visible()
    look(page, "add-again")
    choose(page, folder)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_text("It is added")).to_be_visible(timeout=120_000)
    page.get_by_role("link", name="more@1").click()
    expect(page.get_by_text("24 records of 8 subjects")).to_be_visible()
    seen.check()
    page.context.close()


def test_a_wrong_column_is_mended_without_choosing_again(
    browser: Browser, fragile: Fragile
) -> None:
    seen = Seen(forgiven=["400"])
    folder = fragile.shell.folder / "stays"
    folder.mkdir()
    (folder / "stays.csv").write_text("patient,stay\nA,3\nB,5\n")
    page = page_of(browser, fragile, seen)
    page.goto(f"{fragile.site.url}/data/add")
    page.get_by_label("Dataset").fill("stays")
    page.locator("input[name=folder]").set_input_files(folder)
    expect(page.get_by_text("There are: patient, stay")).to_be_visible()
    page.get_by_label("Column", exact=True).fill("patiend")
    page.get_by_role("button", name="Send and add").click()
    expect(page.get_by_text("columns that exist: patient, stay", exact=False)).to_be_visible()
    look(page, "add-wrong")
    accessible(page)
    page.get_by_label("Column", exact=True).fill("patient")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_text("It is added")).to_be_visible(timeout=120_000)
    seen.check()
    page.context.close()
