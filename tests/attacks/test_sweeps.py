"""Claim: what a sweep tries is sealed, patients named in it too, and another project's is not
there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cloister.core.errors import NotFound
from tests.attacks.byte_search import ByteSearch
from tests.conftest import Shell, new_lab

WHO = ["KXQ548213907", "ZBW771290345"]
SCRIPT = """
import json, sys
print("without", sys.argv[1])
json.dump({"loss": 1.0}, open("metrics.json", "w"))
"""


@pytest.fixture(scope="module")
def swept() -> Iterator[Shell]:
    """A sweep that leaves out one patient after the other, by their ids."""
    with new_lab() as shell:
        for who in WHO:
            (shell.folder / "scans" / who).mkdir(parents=True)
            (shell.folder / "scans" / who / "1.txt").write_text("a scan\n" * 20)
        shell("add", "scans", "--subject-pattern", "^([A-Z0-9]+)/")
        (shell.folder / "train.py").write_text(SCRIPT)
        (shell.folder / "without.yaml").write_text(
            f"program: train.py\nmethod: grid\nmetric: {{name: loss}}\nname: not {WHO[0]}\n"
            f"parameters: {{left_out: {{values: {WHO}}}, data: {{value: scans}}}}\n"
        )
        shell("project", "create", "elsewhere")
        shell("sweep", "without.yaml")
        yield shell


def test_no_id_that_a_sweep_tried_is_anywhere_below_the_lab(swept: Shell) -> None:
    shown = swept.json("sweep", "show")["trials"]
    assert [one["values"]["left_out"] for one in shown] == WHO
    hits = ByteSearch(WHO).below([swept.home])
    assert not hits, hits


def test_another_projects_sweep_is_not_there(swept: Shell) -> None:
    sweep = swept.json("sweep", "ls")[0]["sweep"]
    inside = ("--project", "elsewhere", "sweep")
    assert swept.json(*inside, "ls") == []
    for verb in ("show", "best", "stop", "resume"):
        refused = swept(*inside, verb, sweep, status=NotFound.exit_status)
        assert "no sweep begins with" in refused.stderr
    refused = swept(*inside, "show", "last", status=NotFound.exit_status)
    assert "there is no sweep yet" in refused.stderr
