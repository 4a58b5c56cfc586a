"""Runs of the fence as the record has them, without a job."""

from __future__ import annotations

from typing import Any

from cloister.core.ids import RunId
from cloister.policy import Action
from tests.tracking.lab import TrackingLab


def fenced_run(
    lab: TrackingLab, name: str, state: str | None = "finished", data: str | None = None
) -> RunId:
    """A run that began, and ended unless ``state`` is None."""
    run = RunId(f"run_{name:a<16}")
    act = lab.lab("admin").act(Action.RUN)
    versions = [] if data is None else [_given(*data.split("@"))]
    body: dict[str, Any] = {
        "code": "00" * 32,
        "command": "AA==",
        "command_commitment": "00",
        "environment": "00" * 32,
        "run": run,
        "seal": "AA==",
        "settings": {"PYTHONHASHSEED": "0"},
        "versions": versions,
        "wrap": "AA==",
    }
    act.record([act.event("run.begun", body)])
    if state is not None:
        ended = {"exit_status": 0, "fence": None, "run": run, "state": state}
        act.record([act.event("run.ended", ended)])
    return run


def _given(dataset: str, number: str) -> dict[str, Any]:
    return {"dataset": dataset, "number": int(number), "part": "", "root": "ab" * 32}
