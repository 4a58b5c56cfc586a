"""Claim: the lab, its keys and its passphrase are never added, never shown to a job."""

from __future__ import annotations

import os
import shutil

import pytest

from tests.conftest import Shell


@pytest.mark.parametrize(
    "place",
    [
        "cloister-lab",
        "cloister-lab/store",
        "",
        ".local",
        ".local/share/cloister",
        ".local/state",
        "run",
        "link",
    ],
)
def test_what_holds_the_lab_or_its_keys_cannot_be_added(lab: Shell, place: str) -> None:
    (lab.home / "link").symlink_to("cloister-lab")
    refused = lab("add", str(lab.home / place), "--subject-pattern", "(.)", status=2)
    assert "E103" in refused.stderr
    assert lab.json("ls") == []


def test_a_job_in_the_home_folder_sees_neither_lab_nor_keys_nor_passphrase(lab: Shell) -> None:
    (lab.home / "mine.txt").write_text("mine")
    look = "find . -type f; cat passphrase; ls cloister-lab .local/share/cloister run/cloister"
    seen = lab("run", "--workdir", str(lab.home), "--", "sh", "-c", look, status=None)
    assert "mine.txt" in seen.stdout
    for word in ("keystore.db", "epoch.record", "lab.db", "keyd", "lease", "correct horse"):
        assert word not in seen.stdout


def test_a_lab_behind_a_link_is_hidden_as_well(lab: Shell) -> None:
    real = lab.folder / "real"
    shutil.move(lab.home / "cloister-lab", real)
    (lab.home / "cloister-lab").symlink_to(real)
    seen = lab("run", "--", "find", ".", "-type", "f", status=None)
    assert "lab.db" not in seen.stdout + seen.stderr


def test_a_runtime_folder_that_somebody_else_made_is_not_used(lab: Shell) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    place = lab.folder / "run"
    (place / "cloister").mkdir(parents=True)
    os.chown(place / "cloister", 12345, 12345)
    refused = lab("unlock", env={"XDG_RUNTIME_DIR": str(place)}, status=3)
    assert "E201" in refused.stderr
