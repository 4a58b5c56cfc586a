"""What the how-to pages promise and no other test shows."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.conftest import Shell


def test_a_tag_means_its_version_until_it_moves(scans: Shell) -> None:
    scans("dataset", "tag", "data1", "paper")
    (scans.folder / "scans/P001/1.txt").write_text("read again\n")
    scans("add", "scans", "--subject-pattern", "^(P[0-9]+)/")
    scans("get", "data1@paper", "-o", "before")
    assert "patient 1" in (scans.folder / "before/P001/1.txt").read_text()
    scans("dataset", "tag", "data1", "paper")
    scans("get", "data1@paper", "-o", "after")
    assert (scans.folder / "after/P001/1.txt").read_text() == "read again\n"


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_every_shell_gets_a_completion_script(shell: Shell, name: str) -> None:
    assert "_CLOISTER_COMPLETE" in shell("completion", name).stdout


def test_a_patient_can_be_asked_for_without_an_id_in_any_command(scans: Shell) -> None:
    found = scans.json("subject", "pseudonym", "-", typed="P001\n")["subject"]
    assert scans.json("trace", "-", typed="P001\n")["subject"] == found


def stopped(scans: Shell) -> Path:
    """The keys folder, once the key service has let go of it."""
    keys = next((scans.home / ".local/share/cloister").iterdir())
    scans("lock", "--stop")
    deadline_s = time.monotonic() + 60
    while (keys / "keyd.lock").exists() and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert not (keys / "keyd.lock").exists()
    return keys


def test_an_earlier_copy_of_both_key_files_belongs_together(scans: Shell) -> None:
    """docs/how-to/back-up-by-hand.md: an older key store does not fit a newer epoch record."""
    older = (stopped(scans) / "keystore.db").read_bytes()
    scans("unlock")
    scans("erase", "-", "--reason", "withdrawn", "--yes", typed="P001\n")
    store = stopped(scans) / "keystore.db"
    newer = store.read_bytes()
    store.write_bytes(older)
    assert "E303" in scans("unlock", status=4).stderr
    stopped(scans)
    store.write_bytes(newer)
    scans("unlock")
    scans("get", "data1", "-o", "back")
