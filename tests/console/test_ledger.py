"""The ledger's page: searched, opened, checked by the browser itself."""

from __future__ import annotations

from playwright.sync_api import Route, expect

from tests.console.conftest import Visit
from tests.console.site import Site, accessible, look


def test_the_record_is_searched_and_an_entry_is_checked_in_the_browser(
    visit: Visit, site: Site
) -> None:
    page = visit("/ledger")
    expect(page.get_by_text("UNVERIFIED")).to_be_visible()
    page.reload()
    expect(page.get_by_text("verified", exact=True)).to_be_visible()
    page.keyboard.press("/")
    expect(page.get_by_label("Type: run.begun, or run for all of runs")).to_be_focused()
    page.keyboard.type("run.begun")
    expect(page.locator("tbody tr")).to_have_count(2)
    look(page, "ledger")
    accessible(page)
    page.locator("tbody a").first.click()
    expect(page.get_by_text("checked here")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Entry")
    assert "command_commitment" in page.locator("pre").inner_text()
    look(page, "ledger-entry")
    accessible(page)


def test_a_service_that_rolls_the_record_back_is_refused_where_it_was_seen(
    visit: Visit, site: Site
) -> None:
    page = visit("/ledger")
    expect(page.get_by_text("UNVERIFIED")).to_be_visible()
    with site.up.client(auth=None) as client:
        client.cookies.set("__Host-cloister", site.members["admin"].cookie)
        old = client.get("/api/1/ledger/head").text
    site.shell("person", "add", "grows the record", "--role", "site")
    expect(page.get_by_text("verified", exact=True)).to_be_visible()

    def lie(route: Route) -> None:
        route.fulfill(body=old, content_type="application/json")

    page.route("**/api/1/ledger/head", lie)
    page.get_by_role("button", name="Check again").click()
    expect(page.get_by_text("REFUSED: the record was rolled back")).to_be_visible()
    look(page, "ledger-refused")
    accessible(page)
    page.unroute("**/api/1/ledger/head")
    page.get_by_role("button", name="Check again").click()
    expect(page.get_by_text("verified", exact=True)).to_be_visible()


def test_recovery_says_what_is_missing_first(visit: Visit, site: Site) -> None:
    page = visit("/recovery")
    expect(page.get_by_text("Nothing is saved elsewhere.")).to_be_visible()
    expect(page.get_by_text("DEVELOPMENT SEAL", exact=True)).to_be_visible()
    look(page, "recovery-nothing")
    accessible(page)
    site.shell("backup", "init", f"file:{site.shell.home / 'elsewhere'}")
    site.shell("backup", "run")
    expect(page.get_by_role("cell", name="answers")).to_be_visible()
    expect(page.get_by_text("Nothing is saved elsewhere.")).to_have_count(0)
    look(page, "recovery")
    accessible(page)
