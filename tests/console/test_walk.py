"""A walk by clicks: from the runs to the record, and a second person's consent."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.console.conftest import Visit
from tests.console.site import Site, accessible, look


def test_from_the_runs_to_the_second_persons_consent(visit: Visit, site: Site) -> None:
    page = visit("/")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    look(page, "overview")
    menu = page.get_by_role("navigation", name="Pages")
    menu.get_by_role("link", name="Runs").click()
    expect(page.locator("tbody tr").first).to_be_visible()
    look(page, "runs")
    page.locator("tbody a").first.click()
    expect(page).to_have_url(re.compile("/runs/.+"))
    look(page, "run")
    menu.get_by_role("link", name="Queue").click()
    expect(page.get_by_role("heading", name="Queue", level=1)).to_be_visible()
    look(page, "queue")
    site.shell("approval", "rule", "--require", "erase")
    officer = site.member("the officer", "auditor")
    subject = site.shell.json("subject", "pseudonym", "-", typed="P07\n")["subject"]
    erase = ("erase", subject, "--reason", "consent withdrawn", "--yes")
    asked = site.shell(*erase, status=3)
    assert "a second person has to agree" in asked.stderr
    menu.get_by_role("link", name="Approvals").click()
    expect(page.get_by_text("Somebody else has to agree.")).to_be_visible()
    expect(page.get_by_role("button", name="Agree")).to_have_count(0)
    second = visit("/approvals", officer)
    expect(second.get_by_role("button", name="Agree")).to_be_visible()
    look(second, "approvals")
    accessible(second)
    second.get_by_role("button", name="Agree").click()
    expect(second.get_by_text("given by the officer")).to_be_visible()
    expect(page.get_by_text("given by the officer")).to_be_visible()  # at once, elsewhere too
    site.shell(*erase)
    menu.get_by_role("link", name="Ledger").click()
    expect(page.get_by_text(re.compile("^(UNVERIFIED|verified)$"))).to_be_visible()
    page.get_by_label("Type: run.begun, or run for all of runs").fill("erase.completed")
    expect(page.locator("tbody tr")).to_have_count(1)
    look(page, "ledger")
    page.locator("tbody a").first.click()
    expect(page.get_by_text("checked here")).to_be_visible()
    look(page, "ledger-entry")
    menu.get_by_role("link", name="Recovery").click()
    expect(page.get_by_role("heading", name="Backups")).to_be_visible()
    look(page, "recovery")
    menu.get_by_role("link", name="People").click()
    expect(page.get_by_role("cell", name="the officer", exact=True)).to_be_visible()
    look(page, "people")
    assert site.shell.json("audit")["whole"]
