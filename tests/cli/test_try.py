"""The tour on one's own data and script: shown, whole, and gone afterwards."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from cloister.testing.onnx_models import linear
from tests.conftest import Shell, write_scans

TRY = ("try", "scans", "--subject-pattern", "^(P[0-9]+)/")


@pytest.fixture
def folder(shell: Shell, tmp_path: Path) -> Shell:
    """A user with patients' data, a script and a place for temporary folders; no lab."""
    write_scans(shell.folder / "scans", 3, 2)
    (shell.folder / "seed.onnx").write_bytes(linear())
    (tmp_path / "tmp").mkdir()
    return shell


def untouched(shell: Shell, tmp_path: Path) -> bool:
    """Whether the tour left nothing behind, and what was there is as it was."""
    return (
        not list((tmp_path / "tmp").iterdir())
        and not (shell.home / "cloister-lab").exists()
        and not list((shell.home / ".local").rglob("*"))
        and sorted(path.name for path in shell.folder.iterdir()) == ["scans", "seed.onnx"]
    )


def test_a_script_goes_the_whole_way(folder: Shell, tmp_path: Path) -> None:
    around = {"TMPDIR": str(tmp_path / "tmp")}
    done = folder(*TRY, "--", "sh", "-c", "ls scans; cp seed.onnx model.onnx", env=around)
    for step in ("$ cloister init", "$ cloister add scans", "$ cloister run --", "VERIFIED"):
        assert step in done.stdout
    assert "E400" in done.stderr  # what was erased cannot be read again
    assert "whole" in done.stdout
    assert untouched(folder, tmp_path)


def test_without_a_model_there_is_no_proof_and_the_rest_is_shown(
    folder: Shell, tmp_path: Path
) -> None:
    around = {"TMPDIR": str(tmp_path / "tmp")}
    said = json.loads(folder("--json", *TRY, "--", "true", env=around).stdout)
    assert said["models"] == 0
    assert said["withdrawn"]
    assert said["audit"]["whole"]
    assert untouched(folder, tmp_path)


def test_a_script_that_fails_ends_the_tour_with_its_status(
    folder: Shell, tmp_path: Path
) -> None:
    around = {"TMPDIR": str(tmp_path / "tmp")}
    done = folder(*TRY, "--", "sh", "-c", "exit 9", env=around, status=9)
    assert "the tour ends here" in done.stderr
    assert untouched(folder, tmp_path)


def test_interrupted_it_leaves_nothing(folder: Shell, tmp_path: Path) -> None:
    around = {"TMPDIR": str(tmp_path / "tmp")}
    job = ("sh", "-c", "echo under way; sleep 600")
    going = folder.start(*TRY, "--", *job, env=around, start_new_session=True)
    assert going.stdout is not None
    assert any(line == "under way\n" for line in going.stdout)
    os.killpg(going.pid, signal.SIGINT)
    going.communicate(timeout=120)
    assert going.returncode == 130
    assert untouched(folder, tmp_path)
