"""The pages say what the code does."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from cloister.app.platform import PROJECTIONS
from tests.conftest import ROOT
from tests.docs.commandline import check

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
ROW = re.compile(r"^\|(?P<what>[^|]+)\|(?P<command>[^|]*)\|(?P<test>[^|]+)\|", re.M)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_page_speaks_of_the_machine_it_was_written_on(page: Path) -> None:
    assert not re.search(r"/root/|/work/|pypi\.org|DEVELOPERS", page.read_text())


def test_the_pages_written_from_the_code_are_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "tools/reference.py")
    assert spec is not None
    assert spec.loader is not None
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    said = "run `python tools/reference.py`"
    assert (ROOT / "docs/reference/commands.md").read_text() == reference.commands_page(), said
    assert (ROOT / "docs/reference/errors.md").read_text() == reference.errors_page(), said


def test_every_event_is_described() -> None:
    page = (ROOT / "docs/reference/events.md").read_text()
    described = set(re.findall(r"^\| `([a-z]+\.[a-z]+)` \|", page, re.M))
    assert described == set(PROJECTIONS)


def test_what_claims_to_work_names_a_test_that_exists() -> None:
    page = (ROOT / "docs/reference/coverage.md").read_text()
    rows = [
        row for row in ROW.finditer(page) if row["what"].strip() not in {"capability", "---"}
    ]
    assert len(rows) > 50
    for row in rows:
        test = row["test"].strip()
        if test == "not yet":
            assert not row["command"].strip(), row["what"]
        else:
            assert (ROOT / test.strip("`").partition("::")[0]).is_file(), row["what"]


def test_what_claims_to_work_names_commands_that_exist() -> None:
    page = (ROOT / "docs/reference/coverage.md").read_text()
    for row in ROW.finditer(page):
        for words in re.findall(r"`([^`]+)`", row["command"]):
            command(words.split())


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_shown_can_be_typed(page: Path) -> None:
    for line in re.findall(r"^(?:\$ )?(?:echo \S+ \| )?cloister (.+)$", page.read_text(), re.M):
        typed = line.partition("  #")[0].rstrip("\\ ")
        if typed.startswith(("[", "_")) or re.match(r"[A-Z]", typed):
            continue
        command(shlex.split(typed.replace("...", "x").replace("…", "x")))


def command(words: list[str]) -> None:
    """Every option among ``words`` is one of the command they name."""
    while words and words[0] in {"--json", "--quiet", "-q", "--lab"}:
        words = words[2:] if words[0] == "--lab" else words[1:]
    if words and words[0].startswith("-"):
        return
    check(words, whole=False)
