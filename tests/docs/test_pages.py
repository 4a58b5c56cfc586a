"""The pages can be followed: links lead somewhere, commands can be typed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.docs.commandline import check, mentioned, typed

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])
SOURCES = sorted(ROOT.glob("src/cloister/**/*.py"))
LINK = re.compile(r"\]\(([^)\s]+)\)")
LONGEST_PAGE = 250  # lines; the reference and what is rendered may be longer
MAY_BE_LONG = {"commands.md", "first-lab.md"}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """The names that headings get on a page (GitHub's rule)."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    plain = (re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles)
    return set(plain)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(page.read_text()):
        target, _, anchor = link.partition("#")
        if "://" in target:
            continue
        place = page.parent / target if target else page
        assert place.exists(), link
        if anchor:
            assert anchor in anchors(place), link


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_page_speaks_of_the_machine_it_was_written_on(page: Path) -> None:
    assert not re.search(
        r"(?<![\w~])/(?:root|work)/|/tmp/cl-|pypi\.org|DEVELOPERS", page.read_text()
    )


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_pages_are_short(page: Path) -> None:
    assert page.name in MAY_BE_LONG or page.read_text().count("\n") <= LONGEST_PAGE


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_shown_can_be_typed(page: Path) -> None:
    for words in typed(page.read_text()):
        check(words, whole=True)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_mentioned_exist(page: Path) -> None:
    for words in mentioned(page.read_text()):
        check(words, whole=False)


def test_commands_that_the_program_names_exist() -> None:
    """A hint that leads nowhere is worse than none."""
    found = 0
    for source in SOURCES:
        text = re.sub(r'"\s*\n\s*f?"', "", source.read_text())
        for words in mentioned(text):
            check([word for word in words if "{" not in word], whole=False)
            found += 1
    assert found > 15


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs/README.md").read_text()
    linked = {(ROOT / "docs" / link).resolve() for link in LINK.findall(index)}
    for page in (ROOT / "docs").rglob("*.md"):
        assert page in linked or page.parent in linked or page.name == "README.md", page
