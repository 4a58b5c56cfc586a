"""Pages of pipelines: which there are, one run as a drawing, in time and step by step."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.console.conftest import Visit
from tests.console.site import NARROW, Seen, Site, accessible, look

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def flows(site: Site) -> list[str]:
    """Three runs of one pipeline: all made, some used again, one with a step that fails."""
    folder = site.shell.folder / "ward"
    folder.mkdir()
    (folder / "ward.py").write_text((HERE / "scripts/ward.py").read_text())
    words = ("pipeline", "run", "ward.py", "--workdir", "ward")
    found = [site.shell.json(*words), site.shell.json(*words, "-p", "epochs=3")]
    found.append(site.shell.json(*words, "-p", "epochs=-1", status=1))
    site.shell("pipeline", "schedule", "ward.py", "--workdir", "ward")
    return [one["flow"] for one in found]


def test_the_list_says_how_the_last_run_went_and_what_starts_the_next(
    visit: Visit, site: Site, flows: list[str]
) -> None:
    page = visit("/pipelines")
    row = (
        page.get_by_role("region", name="Pipelines").get_by_role("row").filter(has_text="ward")
    )
    expect(row).to_contain_text("failed")
    expect(row).to_contain_text(
        "cron 0 3 * * * Europe/Berlin, or something new in dataset:stays"
    )
    expect(row.get_by_role("link", name=re.compile("^finished, "))).to_have_count(2)
    look(page, "pipelines")
    accessible(page)
    row.get_by_role("link", name="ward").press("Enter")
    expect(page.get_by_role("heading", name="ward", level=1)).to_be_visible()
    runs = page.get_by_role("region", name="Runs of the pipeline")
    expect(runs.get_by_role("link", name=flows[1])).to_be_visible()
    expect(page.get_by_label("epochs")).to_have_value("-1")
    look(page, "pipeline")
    accessible(page)
    starts = page.locator("section").filter(has_text="Starts by itself")
    expect(starts.get_by_text(re.compile(r"0[12]:00 UTC, then "))).to_be_visible()
    starts.get_by_role("button", name="Pause").press("Enter")
    expect(starts.get_by_text("paused", exact=True).first).to_be_visible()
    assert site.shell.json("pipeline", "schedules")[0]["paused"]
    look(page, "pipeline-paused")
    accessible(page)
    starts.get_by_role("button", name="Let it start again").press("Enter")
    expect(starts.get_by_text("on", exact=True)).to_be_visible()
    page.get_by_role("button", name="Start it no more ward", exact=True).press("Enter")
    page.get_by_role("button", name="Start it no more ward, yes").press("Enter")
    expect(page.get_by_text("Starts by itself")).to_have_count(0)


def test_a_run_is_drawn_and_a_step_says_why_it_ran_and_what_it_printed(
    visit: Visit, flows: list[str]
) -> None:
    page = visit(f"/flows/{flows[1]}")
    train = page.get_by_role("button", name=re.compile("^train "))
    expect(train).to_contain_text("done")
    expect(page.get_by_role("button", name=re.compile("^read "))).to_contain_text("reused")
    expect(page.get_by_role("button", name=re.compile("^part "))).to_contain_text("3 calls")
    expect(page.get_by_role("button", name=re.compile("^refuse "))).to_contain_text("left out")
    train.press("Enter")
    expect(page.get_by_text("something changed; the argument epochs changed")).to_be_visible()
    expect(page.get_by_role("log")).to_contain_text("trained for 3 epochs")
    attempts = page.get_by_role("region", name="Attempts of train")
    expect(attempts.get_by_role("link", name=re.compile("^run_"))).to_be_visible()
    look(page, "flow-step")
    accessible(page)
    page.get_by_role("button", name="List", exact=True).click()
    rows = page.get_by_role("region", name="Steps").get_by_role("row")
    expect(rows.filter(has_text="report")).to_contain_text("train")
    page.get_by_role("button", name="In time").click()
    bar = page.get_by_role("link", name=re.compile("^train: finished, "))
    expect(bar).to_be_visible()
    look(page, "flow-time")
    accessible(page)


def test_what_a_task_left_to_be_read_is_shown_and_nothing_of_it_runs_or_leads_away(
    visit: Visit, flows: list[str]
) -> None:
    page = visit(f"/flows/{flows[1]}")
    expect(page.get_by_role("heading", name="Result of report")).to_be_visible()
    expect(page.get_by_text("3 epochs", exact=True)).to_be_visible()
    expect(page.get_by_text("<script>alert(1)</script>")).to_be_visible()
    dot = page.get_by_role("img", name="a dot")
    expect(dot).to_have_js_property("naturalWidth", 1)
    expect(page.get_by_text("further (https://example.org/)")).to_be_visible()
    expect(page.get_by_role("link", name="further")).to_have_count(0)
    expect(page.get_by_role("img", name="elsewhere")).to_have_count(0)
    expect(page.get_by_role("cell", name="0.25")).to_be_visible()
    expect(page.locator("canvas")).to_be_visible()
    look(page, "flow-result")
    accessible(page)


def test_what_failed_stands_out_and_what_needed_it_is_blocked(
    visit: Visit, flows: list[str]
) -> None:
    page = visit(f"/flows/{flows[2]}?step=train")
    expect(page.get_by_role("button", name=re.compile("^train failed"))).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^report blocked"))).to_be_visible()
    expect(page.get_by_text("no epochs").first).to_be_visible()
    attempts = page.get_by_role("region", name="Attempts of train")
    expect(attempts.get_by_role("row")).to_have_count(3)  # a head, and two tries
    page.set_viewport_size(NARROW)
    look(page, "flow-failed")
    accessible(page)


def test_a_run_is_asked_for_with_parameters_gone_on_with_and_begun_from_a_step(
    visit: Visit, seen: Seen, flows: list[str]
) -> None:
    seen.forgiven.append("400")
    page = visit(f"/flows/{flows[2]}")
    page.get_by_role("button", name="Go on with it").click()
    tries = page.get_by_role("button", name=re.compile("^train failed"))
    tries.click()
    attempts = page.get_by_role("region", name="Attempts of train")
    expect(attempts.get_by_role("row").nth(3)).to_be_visible(timeout=120_000)  # one try more
    page.get_by_role("button", name="Run it again").click()
    epochs = page.get_by_label("epochs")
    epochs.fill("")
    page.get_by_role("button", name="Run it", exact=True).click()
    expect(epochs).to_be_focused()  # a number is wanted
    epochs.fill("5")
    page.get_by_role("button", name="Run it", exact=True).press("Enter")
    expect(page.get_by_text("5", exact=True)).to_be_visible()
    train = page.get_by_role("button", name=re.compile("^train done"))
    train.click(timeout=120_000)
    expect(page.get_by_role("log")).to_contain_text("trained for 5 epochs")
    page.get_by_role("button", name="Run again from here").click()
    expect(page.get_by_role("button", name=re.compile("^read reused"))).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^report done"))).to_be_visible()
    page.goto("/flows/new")
    page.get_by_label("File").fill("ward/nothing.py")
    page.get_by_role("button", name="Run it").click()
    expect(page.get_by_role("alert")).to_contain_text("no such file")
    look(page, "flow-new")
    accessible(page)


def test_a_run_moves_on_as_it_is_looked_at_and_is_stopped_whole(
    visit: Visit, site: Site
) -> None:
    folder = site.shell.folder / "held"
    folder.mkdir()
    (folder / "hold").write_text("hold")
    (folder / "held.py").write_text((HERE / "scripts/held.py").read_text())
    process = site.shell.start("pipeline", "run", "held.py", "--workdir", "held")
    page = visit("/pipelines")
    row = (
        page.get_by_role("region", name="Pipelines").get_by_role("row").filter(has_text="held")
    )
    expect(row).to_contain_text("running", timeout=120_000)
    row.get_by_role("link", name="running", exact=True).click()
    page.evaluate("window.untouched = true")
    held = page.get_by_role("button", name=re.compile("^hold "))
    expect(held).to_contain_text("running")
    expect(page.get_by_role("button", name=re.compile("^after "))).to_contain_text("waiting")
    look(page, "flow-running")
    accessible(page)
    (folder / "hold").write_text("go on")
    done = page.get_by_role("button", name=re.compile("^after done"))
    expect(done).to_be_visible(timeout=120_000)
    assert process.wait(120) == 0
    expect(page.get_by_role("button", name="Run it again")).to_be_visible()
    (folder / "hold").write_text("hold")
    page.get_by_role("button", name="Run it again").click()
    page.get_by_label("Use no earlier result again").check()
    page.get_by_role("button", name="Run it", exact=True).click()
    expect(held).to_contain_text("running", timeout=120_000)
    page.get_by_role("button", name="Stop it held", exact=True).press("Enter")
    page.get_by_role("button", name="Stop it held, yes").press("Enter")
    expect(held).to_contain_text("stopped", timeout=120_000)
    expect(page.get_by_text("stopped", exact=True)).to_have_count(2)
    expect(page.get_by_role("form", name="Run it again")).to_have_count(0)
    look(page, "flow-stopped")
    accessible(page)
    (folder / "hold").write_text("go on")
    page.get_by_role("button", name="Go on with it").click()
    expect(done).to_be_visible(timeout=120_000)
    assert page.evaluate("window.untouched")
    process.communicate()


def test_who_only_looks_sees_no_way_to_change_it(
    visit: Visit, site: Site, flows: list[str]
) -> None:
    site.shell("pipeline", "schedule", "ward.py", "--workdir", "ward")
    page = visit("/pipelines/ward", site.member("looks at pipelines", "auditor"))
    expect(page.get_by_text("Starts by itself")).to_be_visible()
    for name in ("Run it now", "Pause", "Start it no more"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)


def test_what_is_not_there_is_said_to_be_none(visit: Visit, site: Site, seen: Seen) -> None:
    seen.forgiven.append("404")
    page = visit("/pipelines/nowhere")
    expect(page.get_by_role("alert")).to_contain_text("No pipeline of that name")
    page.goto("/flows/flo_aaaaaaaaaaaaaaaa")
    expect(page.get_by_role("alert")).to_contain_text("No run of a pipeline is called")
