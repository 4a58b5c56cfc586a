"""Pipelines asked for by somebody who is not at the machine: begun as they were asked for."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import msgpack  # type: ignore[import-untyped]

from cloister.core.values import FenceLevel
from cloister.workflows.pipelines import begin
from cloister.workflows.pipelines._kept import unpacked
from cloister.workflows.pipelines.run import FlowRequest
from cloister.workflows.pipelines.schedule import schedule
from tests.workflows.people.conftest import Team, founded, team

__all__ = ["founded", "team"]
FLOW = """
import cloister as cl

@cl.task
def one():
    return 1

with cl.pipeline("nightly", on=cl.every(hours=24)):
    one()
"""


def test_a_schedule_that_is_run_now_is_asked_for_as_it_was_made(
    team: Team, tmp_path: Path
) -> None:
    (tmp_path / "flow.py").write_text(FLOW)
    request = FlowRequest(
        "flow.py",
        tmp_path,
        {"PATH": os.environ["PATH"]},
        slots=2,
        on=("local", "ssh:box"),
        required=FenceLevel.PARTIAL,
    )
    schedule(team.lab, request, lambda _: None)
    told: list[bytes] = []

    def starter(_: str, asked: bytes, /, wait_s: float) -> bytes | None:
        told.append(asked)
        return None if wait_s else b""

    begun = begin.run_scheduled(
        replace(team.lab, starter=starter, folders=(tmp_path,)), "nightly"
    )
    asked = msgpack.unpackb(told[0])
    assert asked["flow"] == begun.flow
    assert unpacked(asked) == replace(request, environment={}, name="nightly")
