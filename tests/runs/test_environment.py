"""The environment a run executes in."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from cloister.core.errors import BadInput
from cloister.runs import environment, settings


def test_every_distribution_of_the_interpreter_is_named_with_its_record() -> None:
    found = environment.capture(sys.executable, "/usr/bin", Path("/"))
    described = json.loads(found.description)
    names = {one["name"] for one in described["distributions"]}
    assert {"click", "cryptography", "pytest"} <= names
    assert found.distributions == len(described["distributions"])


def test_a_changed_record_changes_the_digest(tmp_path: Path) -> None:
    python = tmp_path / "bin/python"
    info = tmp_path / "lib/python3.11/site-packages/thing-1.0.dist-info"
    python.parent.mkdir()
    info.mkdir(parents=True)
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    (info / "RECORD").write_text("thing.py,sha256=a,1\n")
    before = environment.capture("python", str(python.parent), tmp_path).digest
    (info / "RECORD").write_text("thing.py,sha256=b,1\n")
    assert environment.capture("python", str(python.parent), tmp_path).digest != before


def test_a_command_that_is_not_there_is_a_users_mistake() -> None:
    with pytest.raises(BadInput, match="no such command"):
        environment.capture("no-such-program", "/usr/bin", Path("/"))


def test_a_command_in_the_working_folder_is_looked_up_there(tmp_path: Path) -> None:
    script = tmp_path / "train.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    found = environment.capture("./train.sh", "/usr/bin", tmp_path)
    assert json.loads(found.description)["name"] == "train.sh"


def test_settings_hold_what_changes_bits() -> None:
    found = settings.capture({"OMP_NUM_THREADS": "1", "SECRET": "x", "PYTHONHASHSEED": "0"})
    assert found["OMP_NUM_THREADS"] == "1"
    assert found["PYTHONHASHSEED"] == "0"
    assert "SECRET" not in found
    assert {"cpu", "cpu_count", "isa", "kernel", "machine"} <= found.keys()
