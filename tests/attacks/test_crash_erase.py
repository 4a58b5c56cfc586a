"""Claim: an `erase` killed at any moment is done or not begun once the next command has run;
one that said it was done is done for ever; nobody else loses a byte.

Real processes, real SIGKILL: of the command, and of the key service in the middle of it.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from cloister.core.events import Event
from cloister.ledger.entry import event_of
from tests.attacks.killing import (
    FEW_AND_MANY,
    Pace,
    Strike,
    keys_folder,
    kill_keyd,
    killed_after,
    recover,
    wait_until,
    waiting_for,
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


@pytest.mark.parametrize("kill", [subprocess.Popen.kill, None], ids=["command", "keyd"])
def test_an_erasure_that_was_only_intended_is_finished_by_the_next_command(
    lab: Shell, kill: Callable[[subprocess.Popen[str]], None] | None
) -> None:
    """Killed as soon as the intention is on record; tried until the kill came in time."""
    write_scans(lab.folder / "scans", 60, 1)
    lab("add", "scans", "--subject-pattern", "^(P[0-9]+)/")
    owners = {row["path"][:4]: row["subject"] for row in lab.json("ls", "data1")}
    intended = "SELECT 1 FROM erasure WHERE state = 'intended'"
    for name in sorted(owners):
        subject = owners[name]
        begun = waiting_for(lab, f"SELECT 1 FROM erasure WHERE subject = '{subject}'")
        erasing = lab.start("erase", subject, "--reason", "withdrawn", "--yes")
        wait_until(begun)
        kill(erasing) if kill else kill_keyd(lab)
        _, said = erasing.communicate(timeout=120)
        if kill is None and erasing.returncode:
            assert "E304" in said
            assert "E301" in lab("ls", status=4).stderr
            lab("unlock")
        if waiting_for(lab, intended)():
            break
    else:
        pytest.fail("no kill ever came in time")
    done = lab("trace", subject)
    assert "finished the erasure" in done.stderr
    assert "erased, at ledger entry" in done.stdout
    assert "finished" not in lab("ls").stderr
    lab("get", "data1", "-o", "back")
    assert name not in {path.name for path in (lab.folder / "back").iterdir()}
    assert whole(lab)


def test_an_erasure_that_is_still_at_work_is_left_to_itself_by_other_commands(
    lab: Shell,
) -> None:
    """Only slow, not dead: a second process must not finish it as well."""
    write_scans(lab.folder / "scans", 60, 1)
    lab("add", "scans", "--subject-pattern", "^(P[0-9]+)/")
    for row in lab.json("ls", "data1"):
        subject = row["subject"]
        of_subject = f"FROM erasure WHERE subject = '{subject}'"
        erasing = lab.start("--json", "erase", subject, "--reason", "withdrawn", "--yes")
        wait_until(waiting_for(lab, f"SELECT 1 {of_subject}"))
        erasing.send_signal(signal.SIGSTOP)
        caught = waiting_for(lab, f"SELECT 1 {of_subject} AND state = 'intended'")()
        try:
            said = lab("ls").stderr
            assert "finished the erasure" not in said
        finally:
            erasing.send_signal(signal.SIGCONT)
        out, err = erasing.communicate(timeout=120)
        assert erasing.returncode == 0, err
        if caught:
            break
    else:
        pytest.fail("no stop ever came in time")
    ended = [event for event in told(lab) if event.type == "erase.completed"]
    operations = [event.body["operation"] for event in ended]
    assert len(operations) == len(set(operations))
    assert json.loads(out)["ledger_entry"] == lab.json("trace", subject)["erased"]
    assert whole(lab)


def told(lab: Shell) -> list[Event]:
    """The lab's history."""
    leaves = lab.sql("SELECT leaf FROM ledger_leaf ORDER BY position")
    return [event_of(leaf) for (leaf,) in leaves]
