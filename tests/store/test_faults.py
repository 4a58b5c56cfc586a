"""Real processes that are killed, run out of disk, or have their syncs fail."""

from __future__ import annotations

import errno
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.faults import FailingSync, SmallDisk, small_disk
from tests.store.small_store import small_store

ROOT = Path(__file__).parent.parent.parent
AT_ONCE = 3


def worker(folder: Path, seed: int, rounds: int) -> list[str]:
    return [sys.executable, "-m", "tests.store.worker", str(folder), str(seed), str(rounds)]


@dataclass(slots=True)
class Said:
    """What a worker acknowledged before its end."""

    stored: set[str] = field(default_factory=set)
    failed: list[str] = field(default_factory=list)
    verbs: list[str] = field(default_factory=list)

    @classmethod
    def parse(cls, output: str) -> Said:
        said = cls()
        for line in output.splitlines(keepends=True):
            verb, *rest = line.split()
            if not line.endswith("\n"):
                break  # it died while it spoke
            said.verbs.append(verb)
            if verb == "stored":
                said.stored.update(rest)
            elif verb == "failed":
                said.failed += rest
        return said


def run(folder: Path, seed: int, rounds: int, faults: FailingSync | None = None) -> Said:
    environment = faults.environment() if faults else None
    done = subprocess.run(
        worker(folder, seed, rounds),
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Said.parse(done.stdout)


def check(folder: Path, acknowledged: set[str]) -> None:
    """Nothing acknowledged is lost, nothing half-written shows, nothing is left behind."""
    with small_store(folder) as lab:
        assert {name for name, _ in lab.store.read_many(acknowledged)} == acknowledged
        report = lab.store.scrub()
        assert report.findings == ()
        assert report.objects >= len(acknowledged)
        assert list((folder / "store/.incoming").iterdir()) == []


@pytest.mark.parametrize("times", [9, pytest.param(51, marks=pytest.mark.slow)])
def test_killed_processes_lose_nothing_that_was_acknowledged(
    tmp_path: Path, times: int
) -> None:
    chance, acknowledged = random.Random(times), set()
    for kills in range(0, times, AT_ONCE):
        processes = [
            subprocess.Popen(
                worker(tmp_path / "lab", kills + number, 1000),
                cwd=ROOT,
                stdout=subprocess.PIPE,
                text=True,
            )
            for number in range(AT_ONCE)
        ]
        for process in processes:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
        time.sleep(chance.random() / 10)
        for process in processes:
            process.send_signal(signal.SIGKILL)
        for process in processes:
            said = Said.parse(process.communicate()[0])
            assert said.failed == []
            acknowledged |= said.stored
    assert len(acknowledged) > times
    check(tmp_path / "lab", acknowledged)
    assert run(tmp_path / "lab", 1000, 1).stored


@pytest.mark.parametrize("after", [1, 2, 3, 4, 6, 9, 13, 20, 30])
def test_a_failed_sync_stops_the_process_and_loses_nothing(tmp_path: Path, after: int) -> None:
    folder = tmp_path / "lab"
    before = run(folder, 1, 2)
    said = run(folder, 2, 6, FailingSync(folder / "store", after=after, times=1))
    assert said.failed
    assert set(said.failed) == {"DurabilityLost"}
    # Only one sync failed, and yet no later write was tried: it could not be believed.
    assert said.verbs == [
        "ready",
        *["stored"] * (6 - len(said.failed)),
        *["failed"] * len(said.failed),
    ]
    assert len(said.failed) == 6 or after > 10
    check(folder, before.stored | said.stored)
    after_repair = run(folder, 3, 1)
    assert after_repair.failed == []
    check(folder, before.stored | said.stored | after_repair.stored)


def test_a_disk_that_is_full_when_it_syncs_is_no_space(tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    full = FailingSync(folder / "store/.incoming", after=2, times=1, error=errno.ENOSPC)
    said = run(folder, 1, 5, full)
    assert said.failed == ["NoSpace"]
    assert len(said.stored) == 7 * 4
    check(folder, said.stored)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    (tmp_path / "disk").mkdir()
    with small_disk(tmp_path / "disk", 24) as mounted:
        yield mounted


def said_on(disk: SmallDisk, seed: int, rounds: int) -> Said:
    done = disk.run(worker(disk.path / "lab", seed, rounds), cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return Said.parse(done.stdout)


CHECK = (
    "import sys; from pathlib import Path; from tests.store.test_faults import check;"
    "check(Path(sys.argv[1]), set(sys.argv[2:]))"
)


def check_on(disk: SmallDisk, acknowledged: set[str]) -> None:
    argv = [sys.executable, "-c", CHECK, str(disk.path / "lab"), *acknowledged]
    done = disk.run(argv, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_a_full_disk_shows_nothing_half_written_and_the_next_command_works(
    disk: SmallDisk,
) -> None:
    first = said_on(disk, 1, 2)
    assert first.failed == []
    disk.fill(leave_bytes=4_000_000)
    full = said_on(disk, 2, 8)
    assert set(full.failed) == {"NoSpace"}
    check_on(disk, first.stored | full.stored)
    assert set(said_on(disk, 3, 2).failed) == {"NoSpace"}
    disk.drain()
    later = said_on(disk, 4, 2)
    assert later.failed == []
    check_on(disk, first.stored | full.stored | later.stored)


def test_a_stream_larger_than_the_disk_is_refused_before_its_first_byte(
    disk: SmallDisk,
) -> None:
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from cloister.core.errors import NoSpace\n"
        "from tests.store.small_store import small_store\n"
        "def chunks():\n"
        "    print('asked')\n"
        "    yield b'x'\n"
        "with small_store(Path(sys.argv[1])) as lab, lab.store.writer('raw') as writer:\n"
        "    try:\n"
        "        writer.add_stream(chunks(), 100_000_000)\n"
        "    except NoSpace:\n"
        "        print('no space')\n"
        "    print(writer.add_stream([b'y' * 2_000_000], 2_000_000))\n"
        "    lab.place(writer.flush())\n"
    )
    done = disk.run([sys.executable, "-c", script, str(disk.path / "lab")], cwd=ROOT)
    assert done.returncode == 0, done.stderr
    said = done.stdout.split("\n")
    assert said[0] == "no space"
    check_on(disk, {said[1]})
