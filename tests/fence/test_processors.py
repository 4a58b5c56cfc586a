"""Processor time: bounded by a control group, whatever processors a job asks for."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from cloister.fence.memory import MemoryGroup
from cloister.fence.processors import ProcessorGroup
from tests.fence.benches import Bench

NOTE = "held to its processors by their numbers alone"


def possible() -> bool:
    made = ProcessorGroup.create(1)
    if made is not None:
        with made:
            return True
    return False


def test_a_job_is_held_to_the_time_of_its_processors_or_it_is_said(bench: Bench) -> None:
    done = bench.code("import os; print(len(os.sched_getaffinity(0)))", cpus=[0])
    assert done.output == "1\n"
    bounded = possible() and bench.user in {None, os.getuid()}
    assert any(NOTE in note for note in done.notes) != bounded
    free = bench.code("print(1)")
    assert not any(NOTE in note for note in free.notes)


@pytest.mark.skipif(not possible(), reason="no control group may be made here")
def test_the_bound_holds_all_of_it_together_and_goes_with_it() -> None:
    made = ProcessorGroup.create(2)
    assert made is not None
    with made:
        names = ("cpu.cfs_quota_us", "cpu.max")
        said = [
            (made.folder / one).read_text() for one in names if (made.folder / one).exists()
        ]
        assert said[0].split()[0] == "200000"
        process = subprocess.Popen(["sleep", "60"])
        made.admit(process.pid)
        assert made.folder.name in Path(f"/proc/{process.pid}/cgroup").read_text()
        process.kill()
        process.wait()
    assert not made.folder.exists()


def test_in_version_two_it_is_the_group_of_the_memory(tmp_path: Path) -> None:
    """There a process is in one group: files stand in for the kernel's."""
    from cloister.fence.memory import _V2

    (tmp_path / "cpu.max").write_text("max 100000")
    beside = MemoryGroup(tmp_path, _V2)
    with ProcessorGroup.create(3, beside) or pytest.fail("refused") as made:
        assert (made.folder, made.own) == (tmp_path, False)
        made.admit(1)
    assert (tmp_path / "cpu.max").read_text() == "300000 100000"


def test_where_none_may_be_made_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "mounts").write_text(f"cgroup2 {tmp_path} cgroup2 rw 0 0\n")
    (tmp_path / "cgroup").write_text("0::/a/b\n")
    (tmp_path / "a").mkdir()
    (tmp_path / "a/cgroup.subtree_control").write_text("memory pids\n")
    assert ProcessorGroup.create(1, None, tmp_path) is None
