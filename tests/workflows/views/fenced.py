"""Runs of the fence as the record has them, without a job."""

from __future__ import annotations

from typing import Any

from cloister.core.ids import RunId
from cloister.policy import Action
from cloister.workflows.lab import Act
from tests.tracking.lab import TrackingLab


def fenced_run(
    lab: TrackingLab,
    name: str,
    state: str | None = "finished",
    data: str | None = None,
    *,
    asked_to_stop: bool = False,
) -> RunId:
    """A run that began, and ended unless ``state`` is None; maybe because it was asked to."""
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
    if asked_to_stop:
        _asked_to_stop(act, run)
    if state is not None:
        ended = {"exit_status": 0, "fence": None, "run": run, "state": state}
        job = {"exit_status": 0, "outcome": state, "run": run}
        over = [act.event("job.ended", job)] if asked_to_stop else []
        act.record([act.event("run.ended", ended), *over])
    return run


def _asked_to_stop(act: Act, run: RunId) -> None:
    """It is a job of the queue, and somebody wants its end."""
    job = {
        "cpus": 1,
        "gpus": 0,
        "how": "service",
        "memory": 1,
        "pinned": 0,
        "priority": "normal",
        "request": "AA==",
        "run": run,
        "seal": "AA==",
        "wrap": "AA==",
    }
    turn = {"cpus": [0], "gpus": [], "run": run}
    events = [("job.submitted", job), ("job.started", turn), ("job.stopping", {"run": run})]
    act.record([act.event(kind, body) for kind, body in events])


def _given(dataset: str, number: str) -> dict[str, Any]:
    return {"dataset": dataset, "number": int(number), "part": "", "root": "ab" * 32}
