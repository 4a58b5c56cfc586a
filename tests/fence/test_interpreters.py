"""What must be shown so that a program starts inside as it does outside."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from cloister.fence import interpreter_paths
from tests.fence.benches import SYSTEM_PYTHON, Bench


def tool(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def prefix(folder: Path) -> Path:
    """What an interpreter's own tree looks like."""
    (folder / "lib/python3.11/site-packages").mkdir(parents=True)
    tool(folder / "bin/python3.11")
    (folder / "bin/python3").symlink_to("python3.11")
    return folder


def test_system_programs_need_nothing_more() -> None:
    assert interpreter_paths("sh", "/usr/bin:/bin") == ()
    assert interpreter_paths("/usr/bin/env", "") == ()


def test_unknown_program_needs_nothing() -> None:
    assert interpreter_paths("no-such-program", "/usr/bin") == ()


def test_venv_brings_its_base(tmp_path: Path) -> None:
    base = prefix(tmp_path / "opt/python")
    (tmp_path / "venv/bin").mkdir(parents=True)
    (tmp_path / "venv/bin/python").symlink_to(base / "bin/python3")
    (tmp_path / "venv/pyvenv.cfg").write_text(f"home = {base}/bin\n")
    found = interpreter_paths("python", f"{tmp_path}/venv/bin:/usr/bin")
    assert set(found) == {tmp_path / "venv", base}


def test_script_brings_its_interpreter(tmp_path: Path) -> None:
    base = prefix(tmp_path / "python")
    script = tool(tmp_path / "tools/train", f"#!{base}/bin/python3\n")
    assert base in interpreter_paths(str(script), "/usr/bin")
    by_env = tool(tmp_path / "tools/other", "#!/usr/bin/env -S python3 -u\n")
    assert base in interpreter_paths(str(by_env), f"{base}/bin:/usr/bin")


def test_program_beside_the_working_folder_is_found_from_there(tmp_path: Path) -> None:
    base = prefix(tmp_path / "python")
    tool(tmp_path / "project/run.py", f"#!{base}/bin/python3\n")
    assert base in interpreter_paths("./run.py", "/usr/bin", tmp_path / "project")


def test_editable_installs_bring_their_source(tmp_path: Path) -> None:
    base = prefix(tmp_path / "python")
    for name in ("linked", "mapped"):
        (tmp_path / name).mkdir()
    packages = base / "lib/python3.11/site-packages"
    (packages / "a.pth").write_text(f"{tmp_path}/linked\nimport something\n/no/such\n/\n")
    finder = f"MAPPING = {{'mapped': '{tmp_path}/mapped'}}\n"
    (packages / "__editable___b_finder.py").write_text(finder)
    found = interpreter_paths("python3", f"{base}/bin")
    assert set(found) == {base, tmp_path / "linked", tmp_path / "mapped"}


def test_home_folder_that_holds_bin_is_not_shown_whole(tmp_path: Path) -> None:
    home = tmp_path / "home"
    script = tool(home / "bin/mine")
    (home / "private").write_text("x")
    assert interpreter_paths("mine", f"{home}/bin") == (script,)


def test_version_manager_brings_all_its_versions(tmp_path: Path) -> None:
    manager = tmp_path / "manager"
    tool(manager / "shims/python", "#!/usr/bin/env bash\n")
    assert interpreter_paths("python", f"{manager}/shims:/usr/bin") == (manager,)


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert interpreter_paths(str(tmp_path / "a"), "") == ()


def test_this_interpreter_and_its_packages_run_inside(own_bench: Bench) -> None:
    code = "import sys, pytest; print(sys.prefix, pytest.__file__)"
    done = own_bench.run(sys.executable, "-c", code)
    assert done.output.split() == [sys.prefix, pytest.__file__], done.errors


@pytest.mark.skipif(not SYSTEM_PYTHON.exists(), reason="no system interpreter")
def test_new_venv_in_the_working_folder_runs_and_stays_as_it_is(bench: Bench) -> None:
    venv.create(bench.workdir / ".venv", with_pip=False, symlinks=True)
    if bench.user is not None:
        subprocess.run(
            [SYSTEM_PYTHON, "-m", "venv", "--without-pip", "--clear", ".venv"],
            cwd=bench.workdir,
            check=True,
        )
        bench.write()
    python = str(bench.workdir / ".venv/bin/python")
    reads = interpreter_paths(".venv/bin/python", "", bench.workdir)
    code = "import sys; print(sys.prefix); open(sys.prefix + '/planted', 'w')"
    done = bench.run(".venv/bin/python", "-c", code, reads=reads)
    assert done.output == f"{bench.workdir}/.venv\n", (python, done.errors)
    assert "Read-only file system" in done.errors
    assert done.changes == []
    assert not os.path.exists(bench.workdir / ".venv/planted")
