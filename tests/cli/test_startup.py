"""What a command brings along before it does anything: counted in modules, not in seconds."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cloister.cli.root import EVERYDAY

LOADED = """
import sys, click
from cloister.cli.root import root
for name in sys.argv[1:]:
    root.get_command(click.Context(root), name)
print(*sys.modules)
"""
LIBRARIES = {"click", "cloister", "cryptography", "cython_runtime", "msgpack"}
"""Of all packages that are installed, those that a command may load as such."""
OF_OTHERS = (
    *("biobank", "checks", "export", "fence.job", "fence.spec", "ledger.audit"),
    *("models.onnx", "serving", "sweeps.search", "training", "web.app", "workflows._keeping"),
    *("workflows.data", "workflows.far", "workflows.models", "workflows.pipelines"),
    *("workflows.queue.submit", "workflows.runs", "workflows.sweeps"),
)
"""What commands need that read data, run jobs or serve."""


def loaded(*commands: str) -> set[str]:
    """All that an interpreter holds that has found these commands."""
    words = [sys.executable, "-I", "-c", LOADED, *commands]
    return set(subprocess.run(words, check=True, capture_output=True, text=True).stdout.split())


def test_no_command_loads_a_heavy_library_before_it_is_called() -> None:
    tops = {name.partition(".")[0] for name in loaded(*EVERYDAY) - loaded()}
    installed = {name for name in tops - sys.stdlib_module_names if not name.startswith("_")}
    assert installed <= LIBRARIES
    assert not tops & {"asyncio", "http", "multiprocessing", "ssl"}


def test_help_loads_no_command_and_nothing_that_opens_a_lab() -> None:
    ours = {name for name in loaded() if name.startswith("cloister.")}
    assert {name.split(".")[1] for name in ours} == {"cli", "core"}
    assert not [name for name in ours if name.startswith("cloister.cli.commands")]


@pytest.mark.parametrize("command", ["ls", "queue"])
def test_a_command_that_lists_does_not_load_what_others_need(command: str) -> None:
    ours = {name for name in loaded(command) if name.startswith("cloister.")}
    for package in OF_OTHERS:
        assert not [name for name in ours if f"{name}.".startswith(f"cloister.{package}.")]
    assert len(ours) <= 210


@pytest.mark.parametrize("command", ["logs", "stop"])
def test_a_command_about_a_job_does_not_load_what_runs_one(command: str) -> None:
    ours = {name for name in loaded(command) if name.startswith("cloister.")}
    assert not [name for name in ours if name.startswith("cloister.workflows.far")]
    assert not ours & {"cloister.workflows.runs.run", "cloister.workflows.queue.requests"}
    assert len(ours) <= 240
