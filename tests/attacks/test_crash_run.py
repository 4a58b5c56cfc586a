"""Claim: a `run` killed at any moment is on record as interrupted, or kept whole; nothing it
was given stays readable anywhere, none of its processes lives on, and the next run works.

Real processes, real SIGKILL: of the command, and of the key service under it.
"""

from __future__ import annotations

import os
import secrets
import signal
import tempfile
import time
from pathlib import Path

import pytest

from tests.attacks.byte_search import ByteSearch
from tests.attacks.killing import (
    FEW_AND_MANY,
    Pace,
    Strike,
    killed_after,
    processes_naming,
    recover,
    wait_until,
    whole,
    with_keyd_killed_after,
)
from tests.attacks.ward import Ward
from tests.conftest import Shell

JOB = """
import pathlib, sys, time
paths = sorted(pathlib.Path(sys.argv[1]).rglob("*"))
content = [path.read_bytes() for path in paths if path.is_file()]
pathlib.Path("copy.bin").write_bytes(b"".join(content))
pathlib.Path("/tmp/scratch").write_bytes(content[0])
print(content[0].decode(), flush=True)
time.sleep(0.2)
pathlib.Path("result.txt").write_text(f"{len(content)} scans")
"""


@pytest.fixture
def ward(lab: Shell) -> Ward:
    """Three patients, added."""
    # Names of its own: other tests look for theirs in the same shared places meanwhile.
    made = Ward(lab.folder / "scans", secrets.randbits(32))
    made.grow()
    lab("add", "scans", "--subject-pattern", "^([^/]+)/")
    (lab.folder / "job.py").write_text(JOB)
    return made


def traces_of(ward: Ward, lab: Shell, since: float) -> list[object]:
    """Plaintext in the home of the lab, or in what anybody may write to on this machine."""
    search = ByteSearch(ward.words)
    return [*search.below([lab.home]), *search.in_the_open(since)]


def mounted(lab: Shell) -> list[str]:
    """What is mounted on this machine, but for what another test does in its own folder."""
    lines = Path("/proc/self/mounts").read_text().splitlines()
    others = (f"{tempfile.gettempdir()}/cl-", f"{tempfile.gettempdir()}/pytest-")
    points = [line.split()[1] for line in lines]
    mine = str(lab.home.parent)
    return [p for p in points if p.startswith(mine) or not p.startswith(others)]


@pytest.mark.parametrize("kills", FEW_AND_MANY)
@pytest.mark.parametrize("strike", [killed_after, with_keyd_killed_after])
def test_a_run_killed_at_any_moment_leaves_a_record_and_nothing_else(
    lab: Shell, ward: Ward, kills: int, strike: Strike
) -> None:
    started, pace = time.time(), Pace(kills)
    mounts = mounted(lab)
    while pace.kills < kills:
        mark = f"round-{kills}-{pace.kills}-{pace.finished}-{os.getpid()}"
        words = ("run", "--", "python3", "job.py", "scans", mark)
        attempt = pace.strike(strike, lab, *words)
        wait_until(lambda mark=mark: not processes_naming(mark))
        recover(lab, attempt)
        runs = [row for row in lab.json("ls", "--runs") if row["command"].endswith(mark)]
        if attempt.acknowledged:
            assert [row["state"] for row in runs] == ["finished"]
        for row in runs:
            kept = {one["path"] for one in lab.json("ls", row["run"])}
            if row["state"] == "finished":
                assert kept == {"copy.bin", "result.txt", "log", "code.tar", "environment.json"}
            else:
                assert kept <= {"log"}  # as far as it had been sealed
            assert row["state"] in {"finished", "interrupted"}, attempt
        assert whole(lab), attempt
        assert ByteSearch(ward.words).below([lab.home]) == []
    assert traces_of(ward, lab, started) == []
    assert mounted(lab) == mounts
    lab("run", "--", "python3", "job.py", "scans")
    assert lab("get", "last", "result.txt").stdout == f"{len(ward.paths)} scans"


def test_the_search_finds_what_a_job_left(lab: Shell, ward: Ward) -> None:
    """The control: what would be plaintext on the disk is seen."""
    started = time.time()
    (lab.home / "left").write_bytes(b"..." + ward.words[1].encode())
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "deeper").mkdir()
        (Path(folder) / "deeper/left").write_bytes(b"..." + ward.words[2].encode())
        found = {hit.word for hit in traces_of(ward, lab, started)}
    assert found == set(ward.words[1:3])


def test_a_job_does_not_outlive_its_command(lab: Shell, ward: Ward) -> None:
    """Not even one that has a session of its own, children, and ears for no signal."""
    mark = f"immortal-{os.getpid()}"
    script = (
        "import os, signal, sys, time, pathlib\n"
        "for one in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP): "
        "signal.signal(one, signal.SIG_IGN)\n"
        "for _ in range(3):\n"
        "    if os.fork() == 0:\n"
        "        os.setsid()\n"
        "pathlib.Path('plain').write_bytes(next(pathlib.Path('scans').rglob('0.txt')).read_bytes())\n"
        "print('ready', flush=True)\n"
        "time.sleep(600)\n"
    )
    (lab.folder / "immortal.py").write_text(script)
    running = lab.start("run", "--", "python3", "immortal.py", "scans", mark)
    wait_until(lambda: len(processes_naming(mark)) >= 8)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    wait_until(lambda: not processes_naming(mark))
    assert "was interrupted" in lab("ls").stderr
    assert ByteSearch(ward.words).below([lab.home]) == []
    assert lab.json("ls", "--runs")[0]["state"] == "interrupted"
