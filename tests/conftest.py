"""Fixtures of the whole: a home of one's own, a lab made through the real command line."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from cloister.keys import launch
from cloister.keys.providers.file import FileProvider
from cloister.keys.providers.seam import Credential
from cloister.testing.keyd import NO_EFFORT, PASSPHRASE
from tests.databases import (
    ON_SERVER,
    run_sql,
    shared_server,
    stop_shared_server,
    uri_of_lab,
)
from tests.faults.postgres import PostgresServer
from tests.processes import end_keyds, left_behind
from tests.recovery.second_box import SecondBox, second_box

pytest_plugins = ["tests.skips"]
# How long an example takes says more about the machine than about what is tested.
# A change is judged by the same examples each time; `make test` looks for new ones.
settings.register_profile(
    "patient",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="CLOISTER_TEST_SAME_EXAMPLES" in os.environ,
)
settings.load_profile("patient")
ROOT = Path(__file__).resolve().parent.parent
DATA = ".local/share/cloister"
# Ignored where tests are begun in the background, and then by all that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass(frozen=True)
class Shell:
    """Runs `cloister` as a user would: a process, a folder, a home."""

    folder: Path
    home: Path
    server: PostgresServer | None = None
    """Where `init` makes its lab, when it is not told otherwise."""
    started: list[subprocess.Popen[str]] = field(default_factory=list)
    """Every command that was; those that a failed test left running end with the shell."""

    @property
    def environment(self) -> dict[str, str]:
        """No variable of the developer's own lab reaches a test."""
        kept = {
            "LANG": "C.UTF-8",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        runtime = {"XDG_RUNTIME_DIR": str(self.home / "run")}
        named = {"CLOISTER_PASSPHRASE_FILE": str(self.home / "passphrase")}
        return kept | runtime | named | {"HOME": str(self.home)}

    def start(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        """The command, running."""
        if self.server is not None and words[:1] == ("init",) and "--database" not in words:
            words = (*words, "--database", self.server.new_schema())
        command = [sys.executable, "-m", "cloister", *map(str, words)]
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment | options.pop("env", {}),
            stdin=options.pop("stdin", subprocess.PIPE),
            stdout=options.pop("stdout", subprocess.PIPE),
            stderr=subprocess.PIPE,
            text=True,
            errors="surrogateescape",
            **options,
        )
        self.started.append(process)
        return process

    def __call__(
        self, *words: str, typed: str = "", status: int | None = 0, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """The command, finished; its exit status must be ``status``."""
        process = self.start(*words, **options)
        out, err = process.communicate(typed, timeout=240)
        done = subprocess.CompletedProcess(words, process.returncode, out, err)
        assert "Traceback" not in err, err
        assert status is None or done.returncode == status, (done.returncode, out, err)
        return done

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """What the tables of the lab in ~/cloister-lab say, past all of the platform."""
        return run_sql(uri_of_lab(self.home / "cloister-lab"), statement, *values)

    def json(self, *words: str, **options: Any) -> Any:
        """What the command answers with --json."""
        return json.loads(self("--json", *words, **options).stdout)


@contextmanager
def new_shell(server: PostgresServer | None = None) -> Iterator[Shell]:
    """A shell with an empty home; its key services end with the block."""
    place = Path(tempfile.mkdtemp(prefix="cl-"))  # short: a socket's path has 107 bytes
    home = place / "home"
    (home / "run").mkdir(parents=True, mode=0o700)
    (home / "passphrase").write_text(PASSPHRASE + "\n")
    (place / "work").mkdir()
    made = Shell(place / "work", home, server or (shared_server() if ON_SERVER else None))
    try:
        yield made
    finally:
        for process in made.started:
            process.kill()  # nothing to one that has ended
            with suppress(OSError), process:
                pass  # its pipes are closed
        end_keyds(place)  # of every lab that was made here, not of the last alone
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def new_lab(settings: str = "") -> Iterator[Shell]:
    """A shell with an open lab in ~/cloister-lab, and ``settings`` added to its own."""
    with new_shell() as made:
        _make_lab(made)
        with (made.home / "cloister-lab/cloister.toml").open("a") as file:
            file.write(settings)
        yield made


_patterns = contextlib.ExitStack()


@functools.cache
def _pattern() -> tuple[Path, str]:
    """The home that `cloister init` left, and its lab; the passphrase is cheap to check.

    One for all the tests of a process: that a guess costs half a second of a processor is
    what `init` needs most of its time for.
    """
    made = _patterns.enter_context(new_shell())
    made("init")
    end_keyds(made.home)
    (keys,) = (made.home / DATA).iterdir()
    passphrase = PASSPHRASE.encode()
    cheaper = FileProvider(keys, NO_EFFORT)
    cheaper.change_passphrase(Credential("passphrase", passphrase), passphrase)
    return made.home, keys.name


def _make_lab(shell: Shell) -> None:
    """What `init` makes in a home; two such homes hold the same lab with the same keys."""
    if ON_SERVER:
        shell("init")
        return
    home, name = _pattern()
    for part in ("cloister-lab", ".local", ".config"):
        shutil.copytree(home / part, shell.home / part)
    (shell.home / ".config/cloister/lab").write_text(f"{shell.home / 'cloister-lab'}\n")
    (shell.home / "run/cloister").mkdir(mode=0o700)
    socket = shell.home / "run/cloister" / name / "keyd.sock"
    launch.unlock(launch.start_keyd(shell.home / DATA / name, socket), PASSPHRASE).close()


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecondBox]:
    """Another machine, reached by ssh: a real sshd on loopback."""
    with second_box(tmp_path_factory.mktemp("box") / "ssh") as made:
        yield made


@pytest.fixture
def shell() -> Iterator[Shell]:
    """A shell with an empty home, for one test."""
    with new_shell() as made:
        yield made


@pytest.fixture
def lab(shell: Shell) -> Shell:
    """A shell with an open lab in ~/cloister-lab."""
    _make_lab(shell)
    return shell


@pytest.fixture
def scans(lab: Shell) -> Shell:
    """A lab and a folder of 12 small files of 4 patients, added as `data1`."""
    add_scans(lab)
    return lab


def add_scans(shell: Shell) -> None:
    """12 small files of 4 patients, as ``data1``."""
    write_scans(shell.folder / "scans")
    shell("add", "scans", "--subject-pattern", "^(P[0-9]+)/")


def write_scans(folder: Path, patients: int = 4, each: int = 3) -> None:
    """``PNNN/N.txt``, each with content of its own."""
    for patient in range(patients):
        place = folder / f"P{patient:03d}"
        place.mkdir(parents=True)
        for number in range(each):
            (place / f"{number}.txt").write_text(f"patient {patient} scan {number}\n" * 20)


@pytest.fixture(scope="session")
def postgres() -> PostgresServer:
    """A running PostgreSQL server; tests take schemas of their own."""
    return shared_server()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Leaves no server behind, and says which key services some test did."""
    _patterns.close()
    stop_shared_server()
    if hasattr(session.config, "workerinput"):
        return  # others are at work beside us
    for pid in left_behind():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            print(f"a test left a key service behind: process {pid}, ended now")


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests of one file have one worker, as they share labs; on a server some do not count."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(str(item.path.relative_to(ROOT))))
    if ON_SERVER:
        files = [item for item in items if item.get_closest_marker("file_database")]
        config.hook.pytest_deselected(items=files)
        items[:] = [item for item in items if item not in files]


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Whole files name no test: what a library writes in one differs from worker to worker."""
    limit = 16 if isinstance(val, bytes) else 120  # a zip's eleventh byte tells the time
    return argname if isinstance(val, str | bytes) and len(val) > limit else None
