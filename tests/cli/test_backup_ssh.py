"""Backups to a second box: the real command line, a real sshd on loopback."""

from __future__ import annotations

import os

import pytest

from tests.conftest import Shell, write_scans
from tests.faults.small_disk import small_disk
from tests.recovery.second_box import SecondBox

RULES = ("--subject-pattern", "^([^/]+)/")


@pytest.fixture
def far(scans: Shell, box: SecondBox) -> dict[str, str]:
    """Variables with which a shell finds the second box."""
    python = scans.environment["PATH"]
    return {"PATH": f"{box.path}:{python}"}


def test_a_lab_goes_to_a_second_box_and_comes_back(
    scans: Shell, box: SecondBox, far: dict[str, str]
) -> None:
    place = scans.folder.parent / "far"
    scans("backup", "init", box.uri(place), env=far)
    assert scans.json("backup", "run", env=far)["save"] == 1
    write_scans(scans.folder / "more", 6)
    scans("add", "more", *RULES)
    assert scans.json("backup", "run", env=far)["save"] == 2
    assert scans.json("backup", "verify", "--read-all", env=far)["whole"]
    scans("restore", box.uri(place), "--to", "copy", "--copy-only", env=far)
    read = scans.json("readback", "copy")["sample"]
    assert read["readable"] == read["records"] > 0
    (done,) = scans.json("drill", env=far)
    assert done["outcome"] == "passed"


def test_a_box_that_is_not_known_or_not_there_is_told(
    scans: Shell, box: SecondBox, far: dict[str, str]
) -> None:
    place = scans.folder.parent / "far"
    refused = scans("backup", "init", f"ssh:stranger:{place}", status=2, env=far)
    assert "Host key verification failed" in refused.stderr
    assert "connect once by hand" in refused.stderr
    refused = scans("backup", "init", "ssh://nobody@127.0.0.1:9/x", status=2, env=far)
    assert "cannot be reached" in refused.stderr


def test_a_full_second_box_is_told_and_the_next_run_goes_on(
    scans: Shell, box: SecondBox, far: dict[str, str]
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    place = scans.folder.parent / "small"
    place.mkdir()
    (scans.folder / "scans/P000/big.bin").write_bytes(os.urandom(6 << 20))
    scans("add", "scans", *RULES)
    with small_disk(place, 16) as disk:
        scans("backup", "init", box.uri(place / "lab"), env=far)
        disk.fill(1 << 20)
        refused = scans("backup", "run", status=2, env=far)
        assert "E104" in refused.stderr
        disk.drain()
        assert scans.json("backup", "run", env=far)["save"] == 1
        assert scans.json("backup", "verify", "--read-all", env=far)["whole"]
