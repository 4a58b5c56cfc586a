"""The team's page: who is in it, who is added, who leaves."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.console.conftest import Visit
from tests.console.site import Site, accessible, look, settled


def test_an_admin_adds_a_member_and_hands_out_the_link(visit: Visit, site: Site) -> None:
    page = visit("/people")
    expect(page.get_by_role("heading", name="People", level=1)).to_be_visible()
    page.get_by_label("Name").fill("ada of the ward")
    page.get_by_label("Role", exact=True).select_option("annotator")
    page.get_by_role("button", name="Add and invite").click()
    link = page.locator("code", has_text="/join/clo_")
    expect(link).to_be_visible()
    expect(page.get_by_role("cell", name="ada of the ward", exact=True)).to_be_visible()
    path = link.inner_text().removeprefix(site.url)
    look(page, "people")
    accessible(page)
    site.join("ada of the ward", path)
    remove = page.get_by_role("button", name="Remove ada of the ward", exact=True)
    remove.press("Enter")
    page.keyboard.press("Escape")
    expect(remove).to_be_focused()
    remove.press("Enter")
    page.get_by_role("button", name="Remove ada of the ward, yes").press("Enter")
    expect(page.get_by_role("cell", name="ada of the ward", exact=True)).to_have_count(0)
    names = [one["name"] for one in site.shell.json("person", "ls")]
    assert "ada of the ward" not in names


def test_what_somebody_else_changes_is_shown_at_once(visit: Visit, site: Site) -> None:
    page = visit("/people")
    settled(page)
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    site.shell("person", "add", "from the machine", "--role", "site")
    expect(page.get_by_role("cell", name="from the machine", exact=True)).to_be_visible()
