"""Runs in the browser: found, looked at, compared, asked for, had again."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.attacks.killing import wait_until
from tests.console.conftest import Visit
from tests.console.site import Seen, Site, accessible, look, settled

SLOW = """
import json, time, urllib.request
def post(path, **fields):
    data = json.dumps(fields).encode()
    kind = {"content-type": "application/json"}
    where = "http://127.0.0.1:5000/api/2.0/mlflow/" + path
    with urllib.request.urlopen(urllib.request.Request(where, data, kind)) as answer:
        return json.loads(answer.read() or b"{}")
name = {"experiment_id": "0", "run_name": "slow", "start_time": int(time.time() * 1000)}
run = post("runs/create", **name)["run"]["info"]["run_id"]
for step in range(4000):
    at = int(time.time() * 1000)
    point = {"value": 1 / (step + 1), "timestamp": at, "step": step}
    post("runs/log-metric", run_id=run, key="slow/loss", **point)
    print("step", step, flush=True)
    time.sleep(0.05)
"""


@pytest.fixture(scope="module")
def runs(site: Site) -> list[str]:
    """The runs that learnt from the table, oldest first; other tests leave others there."""
    found = site.shell.json("ls", "--runs", "--all")
    return [one["run"] for one in found if "train.py" in one["command"]]


def table(page: Page) -> None:
    expect(page.get_by_role("heading", name="Runs", level=1)).to_be_visible()
    expect(page.get_by_role("table")).to_be_visible()


def test_a_run_is_found_by_words_and_by_a_filter(visit: Visit, seen: Seen) -> None:
    seen.forgiven.append("status of 400")  # a filter that is none
    page = visit("/runs")
    table(page)
    rows = page.locator("tbody tr")
    everything = rows.count()
    assert everything >= 2
    look(page, "runs")
    accessible(page)
    page.keyboard.press("/")
    page.keyboard.type("params.rate = '0.01'")
    expect(rows).to_have_count(1)
    expect(page).to_have_url(re.compile("filter="))
    page.get_by_role("searchbox").fill("metrics.nonsense <")
    expect(page.get_by_role("alert")).to_contain_text("filter")
    page.get_by_role("searchbox").fill("no run has this name")
    expect(page.get_by_text("No run matches")).to_be_visible()


def test_columns_are_chosen_ordered_and_saved_as_a_view(visit: Visit) -> None:
    page = visit("/runs")
    table(page)
    page.get_by_role("button", name=re.compile("^Columns")).click()
    page.get_by_role("dialog").get_by_role("searchbox").fill("rate")
    page.get_by_role("dialog").get_by_label("rate", exact=True).check()
    look(page, "runs-columns")
    page.get_by_role("button", name="Done").click()
    page.get_by_role("columnheader", name="rate").get_by_role("button").click()
    expect(page).to_have_url(re.compile("order="))
    page.get_by_role("button", name="Save view").click()
    page.get_by_role("dialog").get_by_label("Name").fill("by rate")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.goto("/runs")
    page.get_by_label("Saved view").select_option("by rate")
    expect(page).to_have_url(re.compile("order=.*rate"))
    page.get_by_role("button", name="Save view").click()
    page.get_by_role("button", name="remove by rate").click()
    expect(page.get_by_role("button", name="remove by rate")).to_have_count(0)


def test_a_run_is_one_page_with_all_that_is_known_of_it(visit: Visit, runs: list[str]) -> None:
    page = visit(f"/runs/{runs[-1]}")
    expect(page.get_by_role("heading", name="What ran")).to_be_visible()
    expect(page.get_by_text("python train.py --data ./stays")).to_be_visible()
    expect(page.get_by_role("link", name="stays@1")).to_be_visible()
    expect(page.get_by_text("60 subjects")).to_be_visible()
    look(page, "run")
    accessible(page)
    page.get_by_role("link", name="Curves").click()
    expect(page.locator("canvas").first).to_be_visible()
    page.get_by_label("Scale").select_option("log")
    page.get_by_role("slider").fill("0.6")
    expect(page.get_by_text("weight 0.60")).to_be_visible()
    look(page, "run-curves")
    accessible(page)
    page.get_by_role("link", name="Files").click()
    expect(page.get_by_role("table")).to_be_visible()
    look(page, "run-files")
    page.get_by_role("link", name="Log", exact=True).click()
    expect(page.get_by_role("log")).to_be_visible()
    look(page, "run-log")


def test_two_people_write_about_a_run_and_nothing_is_lost(
    visit: Visit, site: Site, runs: list[str]
) -> None:
    mine = visit(f"/runs/{runs[0]}")
    other = visit(f"/runs/{runs[0]}", site.member("the clinician", "annotator"))
    for page in (mine, other):
        page.get_by_role("button", name="Write").click()
    mine.get_by_label("Remark").fill("seems to learn")
    other.get_by_label("Remark").fill("ward 3 is missing")
    mine.get_by_role("button", name="Save", exact=True).click()
    expect(mine.get_by_text("seems to learn")).to_be_visible()
    expect(other.get_by_text("wrote while you did")).to_be_visible()
    look(other, "run-remarks")
    other.get_by_role("button", name="Put both together").click()
    other.get_by_role("button", name="Save", exact=True).click()
    expect(mine.get_by_text("ward 3 is missing")).to_be_visible()


def test_runs_are_compared(visit: Visit) -> None:
    page = visit("/runs?filter=params.rate != '0'")
    table(page)
    boxes = page.get_by_role("checkbox", name=re.compile("^compare"))
    expect(boxes).to_have_count(2)
    boxes.nth(0).check()
    boxes.nth(1).check()
    page.get_by_role("link", name="Compare 2 runs").click()
    expect(page.get_by_role("heading", name="What made them differ")).to_be_visible()
    expect(page.get_by_role("heading", name="Parameters and metrics")).to_be_visible()
    expect(page.locator("canvas").first).to_be_visible()
    look(page, "compare")
    accessible(page)


def test_a_live_run_moves_on_and_is_stopped(visit: Visit, site: Site) -> None:
    (site.shell.folder / "slow.py").write_text(SLOW)
    run = site.shell.json("run", "--detach", "--", "python3", "slow.py")["run"]
    page = visit(f"/runs/{run}")
    expect(page.get_by_text("running", exact=True).first).to_be_visible(timeout=120_000)
    page.get_by_role("link", name="Curves").click()
    points = page.get_by_text(re.compile(r"^\d+ points$"))
    expect(points).to_be_visible(timeout=120_000)
    before = int(points.inner_text().split()[0])
    wait_until(lambda: int(points.inner_text().split()[0]) > before + 5)
    page.get_by_role("link", name="Log", exact=True).click()
    expect(page.get_by_role("log")).to_contain_text("step")
    page.get_by_role("link", name="About").click()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("running", exact=True)).to_have_count(0, timeout=120_000)


def test_a_run_is_had_again_by_a_click(visit: Visit, runs: list[str]) -> None:
    page = visit(f"/runs/{runs[0]}")
    page.get_by_role("button", name="Reproduce it").click()
    expect(page.get_by_text("It runs again when its turn has come")).to_be_visible()
    # What it converts a model with writes another name into it each time.
    expect(page.get_by_text("an output came out differently")).to_be_visible(timeout=120_000)
    settled(page)
    look(page, "run-reproduced")


def test_the_first_page_says_what_happened(visit: Visit) -> None:
    page = visit("/")
    expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()
    expect(page.get_by_role("heading", name="Runs lately")).to_be_visible()
    look(page, "overview")
    accessible(page)


def test_a_run_from_a_form_says_what_it_needs(visit: Visit) -> None:
    page = visit("/runs/new")
    expect(page.get_by_role("heading", name="New run", level=1)).to_be_visible()
    look(page, "run-new")
    accessible(page)
