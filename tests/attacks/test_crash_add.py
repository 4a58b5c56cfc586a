"""Claim: an `add` killed at any moment shows either all of it or nothing, loses nothing that
was acknowledged, leaves no plaintext behind, and does not stand in the next one's way.

Real processes, real SIGKILL: of the command, and of the key service under it.
"""

from __future__ import annotations

import signal
import subprocess

import pytest

from tests.attacks.byte_search import ByteSearch
from tests.attacks.killing import (
    FEW_AND_MANY,
    Pace,
    Strike,
    killed_after,
    lab_folder,
    recover,
    wait_until,
    waiting_for,
    whole,
    with_keyd_killed_after,
)
from tests.attacks.ward import Ward
from tests.conftest import Shell

ADD = ("add", "scans", "--subject-pattern", "^([^/]+)/")


@pytest.mark.parametrize("kills", FEW_AND_MANY)
@pytest.mark.parametrize("strike", [killed_after, with_keyd_killed_after])
def test_an_add_killed_at_any_moment_is_seen_whole_or_not_at_all(
    lab: Shell, kills: int, strike: Strike
) -> None:
    ward, pace = Ward(lab.folder / "scans", kills), Pace(kills)
    shown = 0
    while pace.kills < kills:
        ward.grow()
        attempt = pace.strike(strike, lab, *ADD)
        datasets = recover(lab, attempt)
        now = datasets[0]["records"] if datasets else 0
        assert now in {shown, len(ward.paths)}, attempt
        assert now == len(ward.paths) or not attempt.acknowledged
        assert whole(lab), attempt
        shown = now
    ward.grow()
    assert lab.json(*ADD)["records"] == len(ward.paths)
    lab("get", "data1", "-o", "back")
    same = subprocess.run(["diff", "-rq", "scans", "back"], cwd=lab.folder, check=False)
    assert same.returncode == 0
    scrubbed = next(f for f in lab.json("doctor", "--scrub") if f["what"] == "store")
    assert scrubbed["health"] == "sound"
    assert not list((lab_folder(lab) / "store/.incoming").iterdir())
    assert ByteSearch(ward.words).below([lab.home]) == []


@pytest.mark.parametrize(("before", "taken_back"), [(0, False), (1, False), (1, True)])
def test_what_a_killed_add_had_sealed_is_taken_up_by_the_next(
    lab: Shell, before: int, taken_back: bool
) -> None:
    """Killed after its first two thousand records are on record and before it is done."""
    if before:
        (lab.folder / "scans/P0").mkdir(parents=True)
        (lab.folder / "scans/P0/0").write_text("0 0")
        lab(*ADD)
    for patient in range(30):
        folder = lab.folder / f"scans/P{patient}"
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(100):
            (folder / str(number)).write_text(f"{patient} {number}")
    adding = lab.start(*ADD)
    wait_until(waiting_for(lab, f"SELECT 1 FROM record LIMIT 1 OFFSET {before}"))
    adding.send_signal(signal.SIGINT if taken_back else signal.SIGKILL)
    _, said = adding.communicate()
    assert ("is taken up by the same add" in said) == taken_back
    (shown,) = lab.json("ls")
    assert shown["records"] == before
    assert shown["unfinished"] >= 2000 - before
    assert "Add the folder again" in lab("ls").stdout
    if before:
        assert [row["path"] for row in lab.json("ls", "data1")] == ["P0/0"]
    else:
        assert "its add was interrupted" in lab("ls", "data1", status=2).stderr
    assert whole(lab)
    if taken_back:
        assert lab.json("retract", "data1", "--unfinished")["records"] == shown["unfinished"]
        (left,) = lab.json("ls")
        assert (left["records"], left["unfinished"]) == (before, None)
        assert whole(lab)
    report = lab.json(*ADD)
    assert report["records"] == 3000
    assert report["unchanged"] >= (before if taken_back else 2000)
    assert report["added"] == 3000 - report["unchanged"]
    assert "unfinished" not in lab("ls").stdout
    lab("get", "data1", "-o", "back")
    same = subprocess.run(["diff", "-rq", "scans", "back"], cwd=lab.folder, check=False)
    assert same.returncode == 0
