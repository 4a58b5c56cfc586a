"""Pages of sweeps: the best so far, how the search went, what mattered, every trial."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.console.conftest import Visit
from tests.console.site import Seen, Site, accessible, look

SCRIPT = """
import argparse, json
parser = argparse.ArgumentParser()
parser.add_argument("--x", type=float)
parser.add_argument("--kind")
options = parser.parse_args()
json.dump({"loss": (options.x - 3) ** 2}, open("metrics.json", "w"))
"""
SWEEP = """
name: curve
program: quick.py
method: random
metric: {name: loss, goal: minimize}
run_cap: 9
parameters:
  x: {min: 0.0, max: 10.0}
  kind: {values: [round, long]}
"""
HELD = """
import argparse, json, time
from pathlib import Path
parser = argparse.ArgumentParser()
parser.add_argument("--x", type=float)
parser.add_argument("--kind")
options = parser.parse_args()
while Path("hold").read_text() == "hold":
    time.sleep(0.05)
json.dump({"loss": options.x}, open("metrics.json", "w"))
"""


def write_held(folder: Path) -> Path:
    """A sweep of three trials that wait until what is in a file is written over."""
    (folder / "held.yaml").write_text(
        SWEEP.replace("curve", "held").replace("quick", "wait").replace("9", "3")
    )
    (folder / "wait.py").write_text(HELD)
    (folder / "hold").write_text("hold")
    return folder / "hold"


@pytest.fixture(scope="module")
def sweep(site: Site) -> str:
    """A sweep of nine trials that has ended."""
    (site.shell.folder / "quick.py").write_text(SCRIPT)
    (site.shell.folder / "curve.yaml").write_text(SWEEP)
    site.shell("sweep", "curve.yaml", "--jobs", "2")
    return str(site.shell.json("sweep", "ls")[0]["sweep"])


def test_a_sweep_says_what_it_found_and_how_to_make_it_again(
    visit: Visit, site: Site, sweep: str
) -> None:
    best = site.shell.json("sweep", "show", sweep)["best"]
    page = visit("/sweeps")
    row = page.get_by_role("region", name="Sweeps").get_by_role("row").filter(has_text="curve")
    expect(row).to_contain_text("finished")
    expect(row).to_contain_text("9")
    look(page, "sweeps")
    accessible(page)
    row.get_by_role("link", name="curve").press("Enter")
    expect(page.get_by_text(f"cloister reproduce {best['run']}")).to_be_visible()
    drawn = page.get_by_role("img", name="Parallel coordinates: 9 lines over x, kind, loss")
    expect(drawn).to_be_visible()
    mattered = page.get_by_role("progressbar", name="x")
    expect(mattered).to_be_visible(timeout=120_000)  # its library is loaded first
    trials = page.get_by_role("region", name="Trials, newest first")
    expect(trials.get_by_role("row")).to_have_count(10)
    look(page, "sweep")
    accessible(page)


def test_a_sweep_moves_on_as_it_is_looked_at(visit: Visit, site: Site, sweep: str) -> None:
    held = write_held(site.shell.folder)
    process = site.shell.start("sweep", "held.yaml", "--jobs", "1")
    page = visit("/sweeps")
    rows = page.get_by_role("region", name="Sweeps").get_by_role("row")
    row = rows.filter(has_text="held")
    expect(row).to_contain_text("running", timeout=120_000)
    row.get_by_role("link", name="held").click()
    page.evaluate("window.untouched = true")
    trials = page.get_by_role("region", name="Trials, newest first")
    expect(trials.get_by_text("running")).to_be_visible()
    expect(page.get_by_text("No trial has finished yet")).to_be_visible()
    look(page, "sweep-running")
    accessible(page)
    held.write_text("go on")
    best = page.get_by_role("heading", name="Best so far")
    expect(best).to_be_visible(timeout=120_000)
    expect(trials.get_by_text("finished", exact=True)).to_have_count(3, timeout=120_000)
    expect(page.get_by_role("button", name="Stop it held")).to_have_count(0)
    assert page.evaluate("window.untouched")
    assert process.wait(120) == 0
    process.communicate()


def test_a_sweep_that_is_not_there_is_said_to_be_none(visit: Visit, seen: Seen) -> None:
    seen.forgiven.append("404")
    page = visit("/sweeps/swp_aaaaaaaaaaaaaaaa")
    expect(page.get_by_role("alert")).to_contain_text("No sweep")
