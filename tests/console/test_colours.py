"""Light or dark: as the system has it until somebody chooses, and from the first paint on."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.console.conftest import Visit
from tests.console.site import colour, settled

LIGHT, DARK = "rgb(247, 247, 245)", "rgb(18, 23, 29)"
WATCH = """
window.painted = new Set();
const look = () => {
  if (document.body) painted.add(getComputedStyle(document.body).backgroundColor);
  requestAnimationFrame(look);
};
requestAnimationFrame(look);
"""


def test_colours_are_the_systems_or_the_chosen_ones_from_the_first_paint_on(
    visit: Visit,
) -> None:
    page = visit("/people")
    page.add_init_script(WATCH)
    colour(page, "dark")
    assert painted(page) == [DARK]
    page.get_by_label("Colours").select_option("light")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    assert painted(page) == [LIGHT]  # though the system is dark
    page.get_by_label("Colours").select_option("system")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    colour(page, "light")
    assert painted(page) == [LIGHT]


def painted(page: Page) -> list[str]:
    """The papers that were shown in any frame since the page was opened anew."""
    page.reload()
    settled(page)
    shown: list[str] = page.evaluate("[...painted]")
    return shown
