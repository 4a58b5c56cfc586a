"""`cloister backup`: continuous, its faults told, on disks that fill, vanish and refuse."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.attacks.killing import wait_until
from tests.conftest import Shell, write_scans
from tests.faults.small_disk import small_disk

RULES = ("--subject-pattern", "^([^/]+)/")


def grow(shell: Shell, number: int) -> None:
    write_scans(shell.folder / f"more{number}", 1)
    shell("add", f"more{number}", *RULES)


def line(shell: Shell) -> dict[str, object]:
    found: dict[str, object] = shell.json("backup", "ls")[0]
    return found


@pytest.fixture
def watched(scans: Shell) -> Shell:
    scans("backup", "init", "../second")
    return scans


def watching(shell: Shell, *words: str) -> subprocess.Popen[str]:
    process = shell.start("backup", "run", "--watch", *words)
    wait_until(lambda: line(shell)["watched"] and line(shell)["behind"] == 0)
    return process


def ended(process: subprocess.Popen[str]) -> str:
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out


def test_a_watch_saves_what_is_new_within_a_second_and_shows_its_lag(watched: Shell) -> None:
    process = watching(watched)
    began_s = time.monotonic()
    grow(watched, 1)
    took_s = time.monotonic() - began_s
    wait_until(lambda: line(watched)["behind"] == 0)
    shown = line(watched)
    assert isinstance(shown["lag_ms"], int)
    assert shown["lag_ms"] < 1000 * max(1, took_s)  # longer where everything takes longer
    assert "another process is at work" in watched("backup", "run", status=2).stderr
    assert "saved up to entry" in ended(process)
    shown = line(watched)
    assert not shown["watched"]
    assert (shown["behind"], shown["lag_ms"]) == (0, None)
    assert watched.json("backup", "verify", "--read-all")["whole"]
    assert watched.json("backup", "run")["saves"] == 0


def test_a_watch_outlasts_a_target_that_goes_away(watched: Shell) -> None:
    second = watched.folder.parent / "second"
    process = watching(watched)
    second.rename(second.with_name("away"))
    grow(watched, 1)
    wait_until(lambda: line(watched)["trouble"])
    assert not second.exists()
    assert line(watched)["behind"] != 0
    second.with_name("away").rename(second)
    wait_until(lambda: line(watched)["behind"] == 0)
    assert line(watched)["trouble"] is None
    ended(process)
    assert watched.json("backup", "verify", "--read-all")["whole"]


def test_a_killed_watch_leaves_a_whole_backup_and_no_claim_that_it_runs(
    watched: Shell,
) -> None:
    process = watching(watched)
    grow(watched, 1)
    process.kill()
    process.communicate()
    assert watched.json("backup", "verify", "--read-all")["whole"]
    watched("backup", "run")
    assert line(watched)["behind"] == 0


@pytest.mark.parametrize("again", ["run", "watch"])
def test_what_a_killed_watch_saved_is_known_to_the_next(watched: Shell, again: str) -> None:
    process = watching(watched)
    process.kill()
    process.communicate()
    wait_until(lambda: line(watched)["behind"] != 0)  # nobody lives who says otherwise
    if again == "run":
        watched("backup", "run")
    else:
        ended(watching(watched))
    assert line(watched)["behind"] == 0
    assert watched.json("backup", "verify", "--read-all")["whole"]
    assert watched.json("audit")["whole"]


def test_a_full_target_is_told_and_the_next_run_goes_on(scans: Shell) -> None:
    place = scans.folder.parent / "small"
    place.mkdir()
    big = scans.folder / "scans/P000/big.bin"
    big.write_bytes(os.urandom(6 << 20))
    scans("add", "scans", *RULES)
    command = [sys.executable, "-m", "cloister", "--json", "backup"]
    around = {"cwd": scans.folder, "env": scans.environment}
    with small_disk(place, 16) as disk:
        assert disk.run([*command, "init", f"{place}/lab"], **around).returncode == 0
        disk.fill(1 << 20)
        full = disk.run([*command, "run"], **around)
        assert (full.returncode, "E104" in full.stderr) == (2, True), full.stderr
        assert "backup target has no room" in full.stderr
        saves = disk.run(["find", f"{place}/lab/saves", "-type", "f"])
        assert saves.stdout == ""
        disk.drain()
        done = disk.run([*command, "run"], **around)
        assert (done.returncode, json.loads(done.stdout)["save"]) == (0, 1), done.stderr
        whole = disk.run([*command, "verify", "--read-all"], **around)
        assert json.loads(whole.stdout)["whole"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_a_target_mounted_read_only_is_told(watched: Shell) -> None:
    watched("backup", "run")
    second = str(watched.folder.parent / "second")
    subprocess.run(["mount", "--bind", second, second], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", second], check=True)
        grow(watched, 1)
        refused = watched("backup", "run", status=3).stderr
        assert "E201" in refused
        assert "backup target" in refused
        assert watched.json("backup", "verify", "--read-all")["whole"]
    finally:
        subprocess.run(["umount", "-l", second], check=True)
    assert watched.json("backup", "run")["save"] == 2


def test_without_a_target_each_command_says_what_to_do(scans: Shell) -> None:
    assert "no backup yet" in scans("add", "scans", *RULES).stderr
    assert "backup init" in scans("backup", "run", status=2).stderr
    assert "backup init" in scans("backup", "ls").stdout
    (found,) = (one for one in scans.json("doctor") if one["what"] == "backup")
    assert found["health"] == "weak"
    scans("backup", "init", "../second")
    scans("backup", "run")
    (found,) = (one for one in scans.json("doctor") if one["what"] == "backup")
    assert found["health"] == "sound"
    assert "no backup yet" not in scans("add", "scans", *RULES).stderr


@pytest.mark.parametrize("where", ["~/cloister-lab/x", "~/.local/share/cloister/x", "~"])
def test_a_backup_beside_the_keys_or_in_the_lab_is_refused(scans: Shell, where: str) -> None:
    place = where.replace("~", str(scans.home))
    assert "E103" in scans("backup", "init", place, status=2).stderr


def test_a_folder_that_holds_something_else_is_refused(scans: Shell) -> None:
    (scans.folder / "mine").mkdir()
    (scans.folder / "mine/thesis.txt").write_text("mine")
    assert "E102" in scans("backup", "init", "mine", status=2).stderr
