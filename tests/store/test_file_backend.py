"""What only the file backend promises: modes, order of syncs, processes, sweeping."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from cloister.core.errors import BadInput, IntegrityError, NotFound, WriteOnce
from cloister.store.backends import FileBackend, open_backend
from cloister.testing.clock import ManualClock
from tests.faults import FailingSync

PUT = """
import sys
from pathlib import Path
from cloister.store.backends import FileBackend
root, key, size = sys.argv[1:]
backend = FileBackend.open(Path(root))
print("ready", flush=True)
sys.stdin.readline()
def chunks():
    for _ in range(int(size)):
        yield b"x" * 100_000
print(backend.put_if_absent(key, chunks()), flush=True)
"""


def start(*arguments: object, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", PUT, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=env,
    )
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


def test_files_and_folders_are_their_owner_s_alone(root: Path) -> None:
    previous = os.umask(0)
    try:
        backend = FileBackend.open(root)
        backend.put_if_absent("raw/packs/ab/x", [b"secret"])
        backend.retain(["raw/packs/ab/x"], ManualClock().now())
    finally:
        os.umask(previous)
    for path in [root, *root.rglob("*")]:
        mode = stat.S_IMODE(path.lstat().st_mode)
        if path.is_dir():
            assert mode == 0o700, path
        elif path.name.startswith("."):
            assert mode == 0o600, path
        else:
            assert mode == 0o400, path


def test_a_store_that_others_could_enter_is_closed_to_them(root: Path) -> None:
    root.mkdir(mode=0o755)
    FileBackend.open(root)
    assert stat.S_IMODE(root.stat().st_mode) == 0o700


def test_bytes_are_synced_before_the_name_and_the_name_before_the_return(
    tmp_path: Path, root: Path
) -> None:
    log = tmp_path / "log"
    process = start(root, "raw/a/x", 20, env=FailingSync(root, log=log).environment())
    assert process.communicate("\n")[0] == "True\n"
    lines = [line.replace(f"{root}", "").split(" ") for line in log.read_text().splitlines()]
    assert {line[-1] for line in lines} == {"ok"}
    steps = [(line[0], line[-2]) for line in lines]
    incoming = next(line[1] for line in lines if line[0] == "link")
    assert steps[-6:] == [
        ("fdatasync", incoming),
        ("fsync", ""),
        ("fsync", "/raw"),
        ("link", "/raw/a/x"),
        ("fsync", "/raw/a"),
        ("unlink", incoming),
    ]


def test_two_processes_that_put_one_key_both_succeed_and_one_wins(root: Path) -> None:
    for attempt in range(5):
        both = [start(root, f"raw/{attempt}", 3) for _ in range(2)]
        for process in both:
            assert process.stdin
            process.stdin.write("\n")
            process.stdin.flush()
        assert sorted(process.communicate()[0] for process in both) == ["False\n", "True\n"]
        assert FileBackend.open(root).stat(f"raw/{attempt}").size_bytes == 300_000


def test_what_a_killed_writer_left_is_swept_and_a_living_one_is_spared(root: Path) -> None:
    killed, living = start(root, "raw/a", 10_000_000), start(root, "raw/b", 3)
    assert killed.stdin
    killed.stdin.write("\n")
    killed.stdin.flush()
    incoming = root / ".incoming"
    while not any(path.stat().st_size for path in incoming.iterdir()):
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    with open(incoming / "1-theirs", "wb") as theirs:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        FileBackend.open(root)
        assert [path.name for path in incoming.iterdir()] == ["1-theirs"]
    FileBackend.open(root)
    assert list(incoming.iterdir()) == []
    assert living.communicate("\n")[0] == "True\n"
    assert list(FileBackend.open(root).list("")) == ["raw/b"]


def test_foreign_files_are_neither_listed_nor_followed(root: Path, tmp_path: Path) -> None:
    backend = FileBackend.open(root)
    backend.put_if_absent("raw/a", [b"x"])
    secret = tmp_path / "secret"
    secret.write_bytes(b"not the store's")
    (root / "raw/link").symlink_to(secret)
    os.mkfifo(root / "raw/pipe")
    (root / "raw/Upper Case").write_bytes(b"")
    assert list(backend.list("")) == ["raw/a"]
    for key in ("raw/link", "raw/pipe"):
        with pytest.raises(IntegrityError):
            backend.get(key, 0, 10)
        with pytest.raises(IntegrityError):
            backend.stat(key)


def test_a_torn_line_of_the_retention_log_is_cut_by_the_next(
    root: Path, clock: ManualClock
) -> None:
    backend = FileBackend.open(root, clock)
    for key in ("raw/a", "raw/b"):
        backend.put_if_absent(key, [b"x"])
    until = clock.now() + timedelta(days=1)
    backend.retain(["raw/a"], until)
    log = root / ".retention"
    whole = log.read_bytes()
    log.write_bytes(whole + b"1 2026-01-0")
    assert FileBackend.open(root, clock).stat("raw/a").retained_until == until
    backend.retain(["raw/b"], until)
    assert log.read_bytes().startswith(whole)
    for opened in (backend, FileBackend.open(root, clock)):
        assert opened.stat("raw/b").retained_until == until
    clock.advance(timedelta(days=2))
    backend.delete("raw/a")


def test_a_damaged_retention_log_retains_everything(root: Path, clock: ManualClock) -> None:
    backend = FileBackend.open(root, clock)
    for key in ("raw/a", "raw/b"):
        backend.put_if_absent(key, [b"x"])
    backend.retain(["raw/a"], clock.now() + timedelta(days=1))
    log = root / ".retention"
    log.write_bytes(log.read_bytes().replace(b"2026", b"2016"))
    clock.advance(timedelta(days=1000))
    for key in ("raw/a", "raw/b"):
        with pytest.raises(WriteOnce):
            FileBackend.open(root, clock).delete(key)


def test_a_backend_is_chosen_by_its_scheme(tmp_path: Path) -> None:
    backend = open_backend(f"file:{tmp_path}/store")
    backend.put_if_absent("raw/a", [b"x"])
    assert (tmp_path / "store/raw/a").read_bytes() == b"x"
    for uri in ("s3://bucket", "file:relative", "nothing"):
        with pytest.raises(BadInput, match="file:/absolute"):
            open_backend(uri)


def test_a_blob_that_vanishes_is_not_found(root: Path) -> None:
    backend = FileBackend.open(root)
    backend.put_if_absent("raw/a", [b"x"])
    (root / "raw/a").unlink()
    with pytest.raises(NotFound):
        backend.get("raw/a", 0, 1)
