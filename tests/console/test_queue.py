"""The queue's page: what runs, what waits and why, and stopping it."""

from __future__ import annotations

import os
import re

from playwright.sync_api import expect

from tests.console.conftest import Visit
from tests.console.site import Site, accessible, look


def test_who_waits_sees_why_and_whoever_may_stops_what_runs(visit: Visit, site: Site) -> None:
    cpus = str(len(os.sched_getaffinity(0)))
    page = visit("/queue")
    expect(page.get_by_role("heading", name="Queue", level=1)).to_be_visible()
    expect(page.get_by_text("Nothing runs")).to_be_visible()
    expect(page.get_by_text("None is seen on this machine")).to_be_visible()
    asked = ("--json", "run", "--detach", "--cpus", cpus, "--", "sh", "-c")
    first = re.search("run_[a-z2-7]+", site.shell(*asked, "echo on; sleep 600").stdout)
    second = re.search("run_[a-z2-7]+", site.shell(*asked, "echo next; sleep 600").stdout)
    assert first is not None
    assert second is not None
    running = page.get_by_role("region", name="Running jobs")
    waiting = page.get_by_role("region", name="Waiting jobs")
    expect(running.get_by_text(first[0])).to_be_visible()
    expect(waiting.get_by_text(f"cpus: {cpus} wanted, 0 free")).to_be_visible()
    expect(page.get_by_text(f"{cpus} of {cpus}", exact=True)).to_be_visible()
    look(page, "queue")
    accessible(page)
    page.get_by_role("button", name=f"Stop {first[0]}").click()
    box = page.get_by_role("dialog", name="Stop this job?")
    expect(box.get_by_text(first[0])).to_be_visible()
    accessible(page)
    page.keyboard.press("Escape")
    expect(box).to_have_count(0)
    page.get_by_role("button", name=f"Stop {first[0]}").press("Enter")
    box.get_by_role("button", name="Stop it").click()
    ended = page.get_by_role("region", name="Jobs that ended last")
    expect(ended.get_by_role("row").filter(has_text=first[0])).to_contain_text("stopped")
    expect(running.get_by_text(second[0])).to_be_visible()
    page.get_by_role("button", name=f"Stop {second[0]}").click()
    page.get_by_role("button", name="Stop it").click()
    expect(page.get_by_text("Nothing runs")).to_be_visible()
    page.goto("/")
    lately = page.get_by_role("listitem").filter(has_text=first[0])
    expect(lately).to_contain_text("stopped")
