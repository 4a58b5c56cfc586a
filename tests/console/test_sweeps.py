"""Pages of sweeps: the best so far, how the search went, what mattered, every trial."""

from __future__ import annotations

import re

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
    drawn = page.get_by_role("img", name=re.compile("^Parallel coordinates of trial 0"))
    expect(drawn).to_have_accessible_name(re.compile("over x, kind, loss$"))
    mattered = page.get_by_role("progressbar", name="x")
    expect(mattered).to_be_visible(timeout=30_000)  # its library is loaded first
    trials = page.get_by_role("region", name="Trials, newest first")
    expect(trials.get_by_role("row")).to_have_count(10)
    look(page, "sweep")
    accessible(page)


def test_a_sweep_that_is_not_there_is_said_to_be_none(visit: Visit, seen: Seen) -> None:
    seen.forgiven.append("404")
    page = visit("/sweeps/swp_aaaaaaaaaaaaaaaa")
    expect(page.get_by_role("alert")).to_contain_text("No sweep")
