"""Claim: a disk that runs full in the middle of the work is told as what it is, shows nothing
half-written and loses nothing; once there is room again the next command goes on.

The real command line on a small tmpfs, filled while the command runs.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.attacks.killing import keyds, kill_keyd, wait_until
from tests.conftest import Shell, new_shell, write_scans
from tests.faults import SmallDisk, small_disk

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")

RULES = ("--subject-pattern", "^(P[0-9]+)/")
ERASE = ("erase", "-", "--reason", "withdrawn", "--yes")


Lab = tuple[Shell, SmallDisk, dict[str, str]]
"""A shell, its small disk, and the variables that lead there."""


@contextmanager
def filled(disk: SmallDisk, leave_bytes: int = 0) -> Iterator[None]:
    """The disk, full but for so much, while the block lasts."""
    disk.fill(leave_bytes)
    try:
        yield
    finally:
        disk.drain()


@pytest.fixture(scope="module")
def on_disk() -> Iterator[Lab]:
    """A lab whose folder lies on a disk of 256 MB."""
    with new_shell() as shell:
        place = shell.home / "disk"
        place.mkdir()
        with small_disk(place, 256) as disk:
            around = {"CLOISTER_LAB": str(place / "lab")}
            shell("init", env=around)
            write_scans(shell.folder / "scans")
            shell("add", "scans", *RULES, env=around)
            yield shell, disk, around
            shell("lock", "--stop", env=around)


def write_ward(folder: Path) -> None:
    """About 12 MB in 700 files, a few of them large."""
    write_scans(folder, 35, 20)
    for number in range(8):
        (folder / f"P{number:03d}/large").write_bytes(os.urandom(1024) * 1100)


def add_while_it_fills(on_disk: Lab, name: str, leave_bytes: int) -> str:
    """Fills the disk under an add that has begun; gives what it said. Then all goes on."""
    lab, disk, around = on_disk
    files = sum(path.is_file() for path in (lab.folder / name).rglob("*"))
    before = lab.json("ls", env=around)
    words = ("add", name, *RULES, "--name", name)
    adding = lab.start(*words, env=around)
    wait_until((disk.path / "lab/locks" / name).exists)  # the space was looked at already
    adding.send_signal(signal.SIGSTOP)
    with filled(disk, leave_bytes):
        adding.send_signal(signal.SIGCONT)
        out, err = adding.communicate(timeout=60)
        assert (adding.returncode, out) == (2, ""), err
        assert "E104" in err
        assert "Traceback" not in err
        now = lab.json("ls", env=around)  # reading needs no room
        assert now[0] == before[0]
        assert all(row["records"] == 0 for row in now if row["dataset"] == name)
        assert lab.json("audit", env=around)["whole"]
        assert "E104" in lab(*words, env=around, status=2).stderr
    assert lab.json(*words, env=around)["records"] == files
    lab("get", name, "-o", f"{name} back", env=around)
    same = subprocess.run(["diff", "-rq", name, f"{name} back"], cwd=lab.folder, check=False)
    assert same.returncode == 0
    return err


@pytest.mark.parametrize("leave_kib", [0, 64, 1024, 4096])
def test_a_disk_that_fills_up_during_an_add_is_told_and_the_next_add_goes_on(
    on_disk: Lab, leave_kib: int
) -> None:
    lab, disk, around = on_disk
    write_ward(lab.folder / f"ward{leave_kib}")
    add_while_it_fills(on_disk, f"ward{leave_kib}", leave_kib << 10)
    scrubbed = lab.json("doctor", "--scrub", env=around)
    assert next(f for f in scrubbed if f["what"] == "store")["health"] == "sound"
    assert not list((disk.path / "lab/store/.incoming").iterdir())


def test_a_disk_that_fills_up_under_the_database_alone_is_told_too(on_disk: Lab) -> None:
    """Next to no bytes to seal, but many rows: the store has room enough, the log has not."""
    write_scans(on_disk[0].folder / "rows", 40, 100)
    said = add_while_it_fills(on_disk, "rows", 3 << 20)
    assert "the disk that holds the database is full" in said


def test_too_little_room_is_seen_before_anything_is_written(
    on_disk: Lab,
) -> None:
    lab, disk, around = on_disk
    write_scans(lab.folder / "small", 2, 1)
    before = sorted((disk.path / "lab").rglob("*"))
    with filled(disk, 32 << 20):
        said = lab("add", "small", *RULES, env=around, status=2).stderr
    assert "E104" in said
    assert "nothing was written" in said
    assert [p for p in sorted((disk.path / "lab").rglob("*")) if p not in before] == []


def test_a_full_disk_under_what_get_writes_is_told(
    on_disk: Lab,
) -> None:
    lab, _, around = on_disk
    write_ward(lab.folder / "to get")
    lab("add", "to get", *RULES, "--name", "get", env=around)
    rows = lab.json("ls", "get", env=around)
    large = next(row["record"] for row in rows if row["path"].endswith("large"))
    place = lab.home / "small"
    place.mkdir()
    with small_disk(place, 1):
        for words in (("get", large, "-o", place / "one"), ("get", "get", "-o", place / "all")):
            said = lab(*map(str, words), env=around, status=2).stderr
            assert "E104" in said, words
            assert "room" in said, words


@pytest.mark.parametrize("leave_kib", [0, 1024])
def test_a_full_disk_under_what_a_run_leaves_is_told(on_disk: Lab, leave_kib: int) -> None:
    lab, disk, around = on_disk
    job = ("run", "--", "sh", "-c", "head -c 12000000 /dev/urandom > large; echo said")
    with filled(disk, leave_kib << 10):
        done = lab(*job, env=around, status=2)
        assert "E104" in done.stderr
    assert lab.json("audit", env=around)["whole"]
    assert all(row["state"] != "running" for row in lab.json("ls", "--runs", env=around))
    lab(*job, env=around)
    assert lab("get", "last", "log", env=around).stdout == "said\n"


def test_a_full_disk_under_an_erasure_leaves_it_undone_or_to_the_next_command(
    on_disk: Lab,
) -> None:
    lab, disk, around = on_disk
    owners = {row["path"][:4]: row["subject"] for row in lab.json("ls", "data1", env=around)}
    with filled(disk):
        assert "E104" in lab(*ERASE, typed="P001\n", env=around, status=2).stderr
    lab("ls", env=around)
    state = {row["subject"]: row["state"] for row in lab.json("ls", "--subjects", env=around)}
    lab("get", "data1", "-o", "rest", env=around)
    there = {path.name for path in (lab.folder / "rest").iterdir()}
    assert there >= {"P000", "P002", "P003"}
    assert ("P001" in there) == (state[owners["P001"]] == "-")
    assert lab.json("audit", env=around)["whole"]


@pytest.fixture
def keys_on_disk() -> Iterator[Lab]:
    """A lab whose keys folder lies on a disk of 4 MB of its own."""
    with new_shell() as shell:
        place = shell.home / "disk"
        place.mkdir()
        with small_disk(place, 4) as disk:
            around = {"XDG_DATA_HOME": str(place)}
            shell("init", env=around)
            write_scans(shell.folder / "scans")
            shell("add", "scans", *RULES, env=around)
            yield shell, disk, around
            shell("lock", "--stop", env=around, status=None)
            kill_keyd(shell)


def test_a_full_disk_under_the_keys_is_told_and_the_key_service_lives_on(
    keys_on_disk: Lab,
) -> None:
    lab, disk, around = keys_on_disk
    write_scans(lab.folder / "more", 400, 1)
    with filled(disk):
        for words, typed in {("add", "more", *RULES): "", ERASE: "P001\n"}.items():
            said = lab(*words, typed=typed, env=around, status=2).stderr
            assert "E104" in said, words
        assert len(keyds(lab)) == 1
    assert lab.json("add", "more", *RULES, env=around)["records"] == 400
    lab("ls", env=around)  # finishes the erasure if it was intended
    erased = lab.json("trace", "-", typed="P001\n", env=around, status=None)
    lab("get", "data1", "-o", "back", env=around)
    there = {path.name for path in (lab.folder / "back").iterdir()}
    assert there >= {"P000", "P002", "P003"}
    assert ("P001" in there) == (erased["erased"] is None)
    assert lab.json("audit", env=around)["whole"]


@pytest.mark.parametrize("what", ["XDG_STATE_HOME", "XDG_RUNTIME_DIR"])
def test_a_full_disk_under_heads_or_sockets_is_told(shell: Shell, what: str) -> None:
    place = shell.home / "disk"
    place.mkdir(mode=0o700)
    with small_disk(place, 1) as disk:
        around = {what: str(place)}
        shell("init", env=around)
        write_scans(shell.folder / "scans")
        shell("lock", "--stop", env=around)
        with filled(disk):
            steps = [shell("unlock", env=around, status=None)]
            if steps[0].returncode == 0:
                steps.append(shell("add", "scans", *RULES, env=around, status=None))
            assert steps[-1].returncode == 2, steps[-1].stderr
            assert "E104" in steps[-1].stderr
        shell("unlock", env=around)
        assert shell.json("add", "scans", *RULES, env=around)["records"] == 12
        assert shell.json("audit", env=around)["whole"]
        shell("lock", "--stop", env=around)
