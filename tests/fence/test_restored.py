"""A working folder that is given, not found: restored, prepared, watched; fewer processors."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cloister.core.values import FenceLevel, FenceReport
from cloister.fence import FenceSpec, Watch, interpreter_paths, job_environment, run
from cloister.fence.attempt import Attempt
from cloister.fence.changes import Changes
from cloister.fence.walls import Wall, WallRefused

GONE = Path("/mnt/long/gone")


def writes(**files: str) -> Callable[[int], None]:
    def fill(folder: int) -> None:
        for name, text in files.items():
            flags = os.O_WRONLY | os.O_CREAT
            with os.fdopen(os.open(name, flags, 0o644, dir_fd=folder), "w") as file:
                file.write(text)

    return fill


@pytest.fixture(params=["namespaces", "copy"])
def host(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """This host, and one that forbids namespaces."""
    if request.param == "copy":
        real = Attempt.follow

        def refuse(self: Attempt, plan: bytes) -> object:
            if b"namespaces" in plan:
                raise WallRefused(Wall.NAMESPACES, 1, "unshare")
            return real(self, plan)

        monkeypatch.setattr(Attempt, "follow", refuse)
    return str(request.param)


def job(
    code: str, changes: dict[str, tuple[str, str]] | None = None, **fields: object
) -> tuple[FenceReport, str]:
    said: list[bytes] = []

    def capture(found: Changes) -> None:
        for one in found:
            assert changes is not None
            changes[one.path] = (one.kind.value, "")
            if one.kind != "removed":
                with one.open() as file:
                    changes[one.path] = (one.kind.value, file.read().decode())

    watch = fields.pop("watch", None)
    workdir = fields.pop("workdir", GONE)
    spec = FenceSpec(
        argv=(sys.executable, "-I", "-c", code),
        workdir=workdir,  # type: ignore[arg-type]
        env=job_environment({}, {}),
        reads=interpreter_paths(sys.executable, ""),
        required=FenceLevel.PARTIAL,
        **fields,  # type: ignore[arg-type]
    )
    report = run(
        spec,
        on_output=said.append,
        capture=capture if changes is not None else None,
        watch=watch,  # type: ignore[arg-type]
    )
    return report, b"".join(said).decode()


def test_a_restored_folder_is_seen_where_nothing_lies_any_more(host: str) -> None:
    changes: dict[str, tuple[str, str]] = {}
    code = (
        "import os; print(sorted(os.listdir()), open('a').read());"
        "open('b', 'w').write('new'); open('n', 'w').write('1'); os.unlink('c')"
    )
    report, said = job(code, changes, restored=writes(a="1", b="2", c="3"))
    assert report.exit_status == 0, said
    assert said == "['a', 'b', 'c'] 1\n"
    assert changes == {"b": ("changed", "new"), "n": ("added", "1"), "c": ("removed", "")}


def test_what_lies_there_now_is_not_shown(host: str, tmp_path: Path) -> None:
    (tmp_path / "present").write_text("x")
    _, said = job("import os; print(os.listdir())", restored=writes(a="1"), workdir=tmp_path)
    assert said == "['a']\n"


def test_prepared_files_count_as_the_jobs_own(host: str, tmp_path: Path) -> None:
    (tmp_path / "script").write_text("x")
    (tmp_path / "state").write_text("stale")
    changes: dict[str, tuple[str, str]] = {}
    code = "print(open('state').read()); open('log', 'a').write('!')"
    prepared = writes(state="epoch 3", log="kept")
    _, said = job(code, changes, prepared=prepared, workdir=tmp_path)
    assert said == "epoch 3\n"
    assert changes == {"state": ("changed", "epoch 3"), "log": ("added", "kept!")}
    assert (tmp_path / "state").read_text() == "stale"


def test_a_job_runs_on_the_processors_it_is_given() -> None:
    one = min(os.sched_getaffinity(0))
    code = "import os; print(os.sched_getaffinity(0))"
    assert job(code, restored=writes(), cpus=(one,))[1] == f"{{{one}}}\n"
    assert len(os.sched_getaffinity(0)) == os.cpu_count()


def test_whoever_watches_sees_files_while_the_job_runs(host: str) -> None:
    seen: list[str] = []

    def look(folder: int) -> None:
        seen.extend(os.listdir(folder))

    code = "import time; open('c', 'w').write('1'); time.sleep(2.5)"
    job(code, restored=writes(), watch=Watch(0.5, look))
    assert "c" in seen
