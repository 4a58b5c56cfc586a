"""A run from a form, a run whose service is killed while it is looked at, and what is saved."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.cli.gateway import gateway
from tests.conftest import Shell, new_lab
from tests.console.conftest import Visit
from tests.console.site import Seen, Site, accessible, look, opened
from tests.console.test_faults import ENDED, killed
from tests.console.test_runs import SLOW
from tests.console.test_sweeps import write_held

HERE = Path(__file__).resolve().parent


def test_a_run_asked_for_in_a_form_waits_runs_and_ends(
    visit: Visit, site: Site, seen: Seen
) -> None:
    seen.forgiven.append("status of 404")  # what has not begun is no run yet
    before = filling(site)
    page = visit("/runs/new")
    try:
        page.get_by_label("Command").fill("python train.py --data ./stays --rate 0.03")
        page.get_by_label(re.compile("^stays@1")).check()
        page.get_by_label("Processors").fill("1")
        page.get_by_label("Command").press("Enter")
        expect(page).to_have_url(re.compile("/runs/run_[a-z2-7]+$"))
        expect(page.get_by_role("heading", name="It waits for its turn")).to_be_visible()
        expect(page.get_by_text("cpus: 1 wanted, 0 free")).to_be_visible()
        look(page, "run-waits")
        accessible(page)
    finally:
        site.shell("stop", before)
    expect(page.get_by_text("running", exact=True).first).to_be_visible(timeout=120_000)
    expect(page.get_by_text("finished", exact=True).first).to_be_visible(timeout=120_000)
    expect(page.get_by_text("python train.py --data ./stays --rate 0.03")).to_be_visible()
    expect(page.get_by_role("link", name="stays@1")).to_be_visible()
    page.get_by_role("link", name="Curves").click()
    expect(page.locator("canvas").first).to_be_visible()


def filling(site: Site) -> str:
    """A job that has every processor until it is stopped."""
    cpus = str(len(os.sched_getaffinity(0)))
    asked = ("run", "--detach", "--cpus", cpus, "--", "sleep", "617")
    run: str = site.shell.json(*asked)["run"]
    return run


def test_a_form_that_is_refused_says_so_and_keeps_what_was_typed(
    visit: Visit, seen: Seen
) -> None:
    seen.forgiven.append("status of 4")
    page = visit("/runs/new")
    page.get_by_label("Command").fill("python train.py")
    page.get_by_label("Folder").fill("/etc")
    page.get_by_role("button", name="Run it").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert page.get_by_label("Command").input_value() == "python train.py"


@pytest.fixture
def own() -> Iterator[Shell]:
    with new_lab() as shell:
        (shell.folder / "slow.py").write_text(SLOW)
        yield shell


def test_a_live_run_goes_on_in_its_page_when_the_service_was_killed(
    browser: Browser, own: Shell, seen: Seen
) -> None:
    seen.forgiven += ENDED  # the browser says that nothing answered
    with killed(own) as first:
        site = Site(own, first)
        name = own.json("person", "ls")[0]["name"]
        admin = site.join(name, first.said["join"].removeprefix(site.url))
        run = own.json("run", "--detach", "--", "python3", "slow.py")["run"]
        page = opened(browser, site, admin, seen)
        page.goto(f"/runs/{run}?tab=curves")
        points = page.get_by_text(re.compile(r"^\d+ points$"))
        expect(points).to_be_visible(timeout=120_000)
    expect(page.get_by_text("Reconnecting…")).to_be_visible(timeout=120_000)
    seen_points = number_of(points.inner_text())
    look(page, "run-away")
    with gateway(own, "--port", str(urlsplit(site.url).port)):
        expect(page.get_by_text("Live", exact=True)).to_be_visible(timeout=120_000)
        page.wait_for_function(
            "n => [...document.querySelectorAll('*')].some((one) => !one.children.length &&"
            " /^\\d+ points$/.test(one.textContent) && parseInt(one.textContent) > n + 20)",
            arg=seen_points,
        )
        own("stop", run)
        expect(page.get_by_text("running", exact=True)).to_have_count(0, timeout=120_000)
        backed(page, own)
        page.context.close()
    seen.check()


def test_pages_of_a_pipeline_and_of_a_sweep_are_right_again_when_the_service_is(
    browser: Browser, own: Shell, seen: Seen
) -> None:
    seen.forgiven += ENDED
    hold = write_held(own.folder)
    (own.folder / "held.py").write_text((HERE / "scripts/held.py").read_text())
    pages = []
    with killed(own) as first:
        site = Site(own, first)
        name = own.json("person", "ls")[0]["name"]
        admin = site.join(name, first.said["join"].removeprefix(site.url))
        going = [own.start("pipeline", "run", "held.py"), own.start("sweep", "held.yaml")]
        for place in ("pipelines", "sweeps"):
            page = opened(browser, site, admin, seen)
            page.goto(f"/{place}")
            link = page.locator("main").get_by_role("row").get_by_role("link", name="held")
            link.click(timeout=120_000)
            page.evaluate("window.untouched = true")
            expect(page.get_by_text("running").first).to_be_visible(timeout=120_000)
            pages.append(page)
    hold.write_text("go on")
    assert [one.wait(120) for one in going] == [0, 0]
    for page in pages:
        expect(page.get_by_text("running").first).to_be_visible()
    with gateway(own, "--port", str(urlsplit(site.url).port)):
        for page in pages:
            expect(page.get_by_text("finished").first).to_be_visible(timeout=120_000)
            expect(page.get_by_text("running")).to_have_count(0)
            assert page.evaluate("window.untouched")
            page.context.close()
    for one in going:
        one.communicate()
    seen.check()


def backed(page: Page, own: Shell) -> None:
    """What the first page says of backups: none, one that was made, one that is behind."""
    page.goto("/")
    expect(page.get_by_text("Nothing is saved elsewhere")).to_be_visible()
    place = own.folder.parent / "elsewhere"
    own("backup", "init", str(place))
    own("backup", "run")
    expect(page.get_by_text("Nothing would be lost")).to_be_visible()
    own("person", "add", "came later", "--role", "site")
    page.reload()
    expect(page.get_by_text(re.compile("on this machine alone"))).to_be_visible()
    look(page, "overview-behind")
    accessible(page)


def number_of(text: str) -> int:
    return int(text.split(maxsplit=1)[0])
