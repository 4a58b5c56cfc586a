"""Claim: a backup killed at any moment claims nothing that it lacks, and a restore killed at
any moment is no lab; the next run of either goes on and comes to its end.

Real processes, real SIGKILL.
"""

from __future__ import annotations

import json
import shutil

import pytest

from tests.attacks.killing import FEW_AND_MANY, Pace, kill_keyd, killed_after, whole
from tests.attacks.ward import Ward
from tests.conftest import Shell

ADD = ("add", "scans", "--subject-pattern", "^([^/]+)/")


@pytest.mark.parametrize("kills", FEW_AND_MANY)
def test_a_backup_killed_at_any_moment_claims_nothing_that_it_lacks(
    lab: Shell, kills: int
) -> None:
    ward, pace = Ward(lab.folder / "scans", kills), Pace(kills)
    lab("backup", "init", "../second")
    ward.grow()
    lab(*ADD)
    while pace.kills < kills:
        pace.strike(killed_after, lab, "backup", "run")
        assert lab.json("backup", "verify", "--read-all")["whole"]
        if pace.kills % 3 == 0:
            ward.grow()
            lab(*ADD)
    lab("backup", "run")
    assert lab.json("backup", "ls")[0]["behind"] == 0
    lab("restore", "../second", "--to", "copy", "--copy-only")
    read = lab.json("readback", "copy")["sample"]
    assert (read["readable"], read["damaged"]) == (read["records"], 0)
    assert whole(lab)


@pytest.mark.parametrize("kills", FEW_AND_MANY)
def test_a_restore_killed_at_any_moment_is_no_lab_and_the_next_goes_on(
    lab: Shell, kills: int
) -> None:
    ward, pace = Ward(lab.folder / "scans", kills), Pace(kills)
    for _ in range(3):
        ward.grow()
    lab(*ADD)
    lab("backup", "init", "../second")
    lab("backup", "run")
    kill_keyd(lab)
    shutil.rmtree(lab.home / "cloister-lab")
    lab_id = json.loads((lab.folder / "../second/backup.json").read_text())["lab"]
    while pace.kills < kills:
        shutil.rmtree(lab.home / "cloister-lab", ignore_errors=True)
        words = ("restore", "../second", "--to", str(lab.home / "cloister-lab"))
        attempt = pace.strike(killed_after, lab, *words)
        if attempt.killed and not (lab.home / "cloister-lab/cloister.toml").exists():
            assert "E101" in lab("ls", status=2).stderr
            lab(*words)
        elif attempt.killed:  # the name it gets last was durable, the answer was not heard
            assert lab_id in (lab.home / "cloister-lab/cloister.toml").read_text()
        assert lab.json("ls")[0]["records"] == len(ward.paths)
        assert whole(lab)
