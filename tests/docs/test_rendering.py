"""What the tutorial shows is what its commands print; what they put on record is described."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("curl") is None, reason="the tutorial uses curl"),
]


@pytest.fixture(scope="module")
def rendered() -> tuple[str, str, dict[str, set[str]]]:
    """The tutorial as it is, as it would be, and the bodies of the events it made."""
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        from render_docs import opened, render
    finally:
        sys.path.pop(0)
    before, session = (ROOT / "docs/tutorial/first-lab.md").read_text(), opened()
    try:
        after = render(before, session)
        return before, after, events(session.home / "cloister-lab/lab.db")
    finally:
        session.close()


def events(database: Path) -> dict[str, set[str]]:
    """Event type -> the fields its bodies had."""
    found: dict[str, set[str]] = {}
    connection = sqlite3.connect(database)
    for (leaf,) in connection.execute("SELECT leaf FROM ledger_leaf"):
        event = json.loads(leaf)
        found.setdefault(event["type"], set()).update(event["body"])
    connection.close()
    return found


def test_the_tutorial_shows_what_its_commands_print(
    rendered: tuple[str, str, dict[str, set[str]]],
) -> None:
    from doc_names import shape  # importable since the fixture ran

    before, after, _ = rendered
    assert shape(after) == shape(before), "run `make docs`"


def test_events_have_the_fields_that_are_described(
    rendered: tuple[str, str, dict[str, set[str]]],
) -> None:
    page = (ROOT / "docs/reference/events.md").read_text()
    rows = re.findall(r"^\| `([a-z]+\.[a-z]+)` \| [^|]* \| ([^|]*) \|$", page, re.M)
    _, _, made = rendered
    assert len(made) > 15
    described = {kind: fields.partition(" also ") for kind, fields in rows}
    for kind, fields in made.items():
        always, _, sometimes = (set(re.findall(r"`(\w+)`", part)) for part in described[kind])
        assert always <= fields <= always | sometimes, kind
