"""What was asked for is in another process what it was in the first."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from cloister.core.errors import BadInput
from cloister.core.values import FenceLevel
from cloister.workflows.queue import requests, shown
from cloister.workflows.runs.go_on import GoOnRequest
from cloister.workflows.runs.replay import ReplayRequest
from cloister.workflows.runs.run import Checkpoints, RunRequest

GOLDEN = Path(__file__).parent.parent / "golden/job-request-1.json"
ELSEWHERE = GOLDEN.with_name("job-request-1-elsewhere.json")
REQUEST = RunRequest(
    argv=("python", "train.py", "caf\udce9"),
    workdir=Path("/home/ada/project"),
    environment={"PATH": "/usr/bin", "SECRET_TOKEN": "hidden", "LANG": "C.UTF-8"},
    data=("data1@2",),
    variables={"EPOCHS": "3"},
    seed=7,
    reads=(Path("/opt/tools"),),
    required=FenceLevel.PARTIAL,
    memory_bytes=1 << 30,
    hub=("org/name",),
    checkpoints=Checkpoints(("*.pt",), 2.5),
)


def test_a_request_is_written_and_read_as_ever() -> None:
    plain = requests.write(REQUEST, "ward3")
    assert plain == GOLDEN.read_bytes()
    assert b"hidden" not in plain
    found = requests.read(plain)
    assert isinstance(found, RunRequest)
    assert found.environment["PATH"] == "/usr/bin"
    assert "SECRET_TOKEN" not in found.environment
    assert replace(found, environment=REQUEST.environment) == REQUEST
    assert requests.project(plain) == "ward3"
    assert shown.words(json.loads(plain)) == REQUEST.argv


def test_to_run_elsewhere_is_a_request_too() -> None:
    asked = replace(REQUEST, on="ssh:ada@box:2222/opt/caf\udce9/python", cpus=4, gpus=1)
    plain = requests.write(asked, "ward3")
    assert plain == ELSEWHERE.read_bytes()
    found = requests.read(plain)
    assert isinstance(found, RunRequest)
    assert replace(found, environment=asked.environment) == asked
    assert shown.on(json.loads(plain)) == asked.on
    assert shown.on(json.loads(GOLDEN.read_bytes())) is None


def test_to_go_on_is_a_request_too() -> None:
    again = GoOnRequest("run_x", {}, FenceLevel.FULL, checkpoints=Checkpoints(("a",), 1.0))
    plain = requests.write(again)
    found = requests.read(plain)
    assert isinstance(found, GoOnRequest)
    assert (found.run, found.required, found.checkpoints) == (
        "run_x",
        FenceLevel.FULL,
        again.checkpoints,
    )
    assert shown.words(json.loads(plain)) == ("--resume", "run_x")
    assert requests.project(plain) is None


def test_to_go_on_elsewhere_is_a_request_too() -> None:
    again = GoOnRequest("run_x", {"LANG": "C.UTF-8"}, on="ssh:ada@box", cpus=4, gpus=2)
    plain = requests.write(again, "ward3")
    assert plain == GOLDEN.with_name("job-request-1-resume.json").read_bytes()
    found = requests.read(plain)
    assert isinstance(found, GoOnRequest)
    assert replace(found, environment=again.environment) == again
    assert shown.on(json.loads(plain)) == "ssh:ada@box"


def test_to_reproduce_is_a_request_too() -> None:
    asked = ReplayRequest("run_x", {}, 1e-4, FenceLevel.PARTIAL)
    plain = requests.write(asked, "ward3")
    found = requests.read(plain)
    assert isinstance(found, ReplayRequest)
    assert replace(found, environment={}) == asked
    assert shown.words(json.loads(plain)) == ("--reproduce", "run_x")
    assert requests.project(plain) == "ward3"


def test_a_terminal_cannot_be_handed_on() -> None:
    with pytest.raises(BadInput, match="terminal"):
        requests.check(replace(REQUEST, stdin=0))
