"""Data, lineage, models and erasure, by clicks."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from playwright.sync_api import expect

from tests.console.conftest import Visit
from tests.console.site import Seen, Site, accessible, look


def test_a_dataset_says_whether_it_is_sound(visit: Visit, seen: Seen) -> None:
    page = visit("/data")
    look(page, "data")
    accessible(page)
    page.get_by_role("link", name="slides", exact=True).click()
    expect(page.get_by_role("heading", name=re.compile("slides@"))).to_be_visible()
    expect(page.get_by_text("the same image or file under two patients")).to_be_visible()
    page.get_by_role("button", name="Show which records").click()
    seen.forgiven.append("404")  # what is no picture has none
    page.get_by_role("button", name="Look at them").first.click()
    shown = page.locator("img[alt^='record rec_']")
    expect(shown).to_have_count(2)
    expect(shown.last).to_have_js_property("naturalWidth", 96)
    page.get_by_role("button", name="Show how they are spread").click()
    expect(page.locator("progress")).to_have_count(2)
    look(page, "version")
    accessible(page)


def test_names_are_shown_by_a_click_and_the_click_is_on_record(visit: Visit) -> None:
    page = visit("/data/slides/latest")
    expect(page.get_by_role("region", name="Records")).to_contain_text("rec_")
    expect(page.get_by_text("P00/1.png")).to_have_count(0)
    page.get_by_role("button", name="Show names and labels").click()
    expect(page.get_by_text("P00/1.png")).to_be_visible()
    page.get_by_role("link", name="Who read it").click()
    expect(page.get_by_text("names shown").first).to_be_visible()
    look(page, "access")
    accessible(page)


def test_a_line_from_patients_to_models_both_ways(visit: Visit) -> None:
    page = visit("/data/stays/latest")
    page.get_by_role("link", name="Lineage").click()
    expect(page.get_by_text("60 subjects")).to_be_visible()
    expect(page.locator(".react-flow__node")).not_to_have_count(0)
    look(page, "lineage")
    accessible(page)
    page.get_by_role("button", name="List").click()
    look(page, "lineage-list")
    accessible(page)
    page.get_by_role("link", name=re.compile("^run_")).first.focus()


def test_a_model_says_what_made_it_and_gives_its_bundle(visit: Visit, tmp_path: Path) -> None:
    page = visit("/models")
    expect(page.get_by_text("anchored").first).to_be_visible()
    look(page, "models")
    accessible(page)
    page.get_by_role("link", name=re.compile("^[0-9a-f]{12}$")).first.click()
    expect(page.get_by_text("records of 60 subjects")).to_be_visible()
    look(page, "model")
    accessible(page)
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download the bundle").click()
    waiting.value.save_as(tmp_path / "bundle.zip")
    with zipfile.ZipFile(tmp_path / "bundle.zip") as archive:
        assert archive.testzip() is None
        assert any(name.endswith("/manifest.json") for name in archive.namelist())


def test_an_erasure_is_looked_at_before_it_is_asked_for(visit: Visit, site: Site) -> None:
    page = visit("/erase")
    look(page, "erase")
    page.get_by_label("Patient", exact=True).fill("P07")
    page.get_by_role("button", name="Show what it would touch").click()
    expect(page.get_by_text("3 records, 3 labels")).to_be_visible()
    page.get_by_label("Reason").fill("consent withdrawn")
    look(page, "erase-plan")
    accessible(page)
    page.get_by_role("link", name=re.compile("^sub_")).click()
    expect(page.get_by_text("What came of one patient")).to_be_visible()
    auditor = site.member("Ada", "auditor")
    theirs = visit("/data/slides/latest", auditor)
    expect(theirs.get_by_role("region", name="Records")).to_be_visible()
    expect(theirs.get_by_role("button", name="Show names and labels")).to_have_count(0)
