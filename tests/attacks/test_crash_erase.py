"""Claim: an `erase` killed at any moment is done or not begun once the next command has run;
one that said it was done is done for ever; nobody else loses a byte.

Real processes, real SIGKILL: of the command, and of the key service in the middle of it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.attacks.killing import (
    FEW_AND_MANY,
    Pace,
    Strike,
    keys_folder,
    killed_after,
    recover,
    whole,
    with_keyd_killed_after,
)
from tests.conftest import Shell, write_scans

EACH = 2


def readable(lab: Shell, folder: Path) -> set[str]:
    """The patients whose files still come back, every one of them whole."""
    lab("get", "data1", "-o", str(folder))
    found = set()
    for patient in folder.iterdir():
        source = lab.folder / "scans" / patient.name
        contents = {path.name: path.read_bytes() for path in patient.iterdir()}
        assert contents == {path.name: path.read_bytes() for path in source.iterdir()}
        found.add(patient.name)
    shutil.rmtree(folder)
    return found


@pytest.mark.parametrize("kills", FEW_AND_MANY)
@pytest.mark.parametrize("strike", [killed_after, with_keyd_killed_after])
def test_an_erasure_killed_at_any_moment_is_done_or_was_never_begun(
    lab: Shell, tmp_path: Path, kills: int, strike: Strike
) -> None:
    write_scans(lab.folder / "scans", 4 * kills, EACH)
    lab("add", "scans", "--subject-pattern", "^(P[0-9]+)/")
    shutil.copytree(keys_folder(lab), tmp_path / "keys before")
    owners = {row["path"][:4]: row["subject"] for row in lab.json("ls", "data1")}
    alive, pace = set(owners), Pace(kills)
    while pace.kills < kills:
        name = min(alive)
        words = ("erase", "-", "--reason", "withdrawn", "--yes")
        attempt = pace.strike(strike, lab, *words, typed=f"{name}\n")
        recover(lab, attempt)
        now = readable(lab, tmp_path / "back")
        assert now in (alive, alive - {name}), attempt
        assert name not in now or not attempt.acknowledged
        assert whole(lab), attempt
        alive = now
    states = {row["subject"]: row["state"] for row in lab.json("ls", "--subjects")}
    for name, subject in owners.items():
        assert (states[subject] == "-") == (name in alive)
    if gone := set(owners) - alive:
        record = lab.json("trace", owners[min(gone)])["records"][0]
        assert "E400" in lab("get", record, status=5).stderr
        old = tmp_path / "keys before/keystore.db"
        assert lab.json("readback", "--keystore", str(old))["opened"] == 0
