"""Perform: one job of the queue, in a process of its own, once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from cloister.core.canonical import canonical
from cloister.core.errors import CloisterError, NotAllowed
from cloister.core.events import Transaction
from cloister.core.ids import RunId
from cloister.jobs import history
from cloister.jobs.history import Job
from cloister.keys.seal import open_field
from cloister.policy import Action
from cloister.runs.live import Kind
from cloister.workflows.far.places import reaching
from cloister.workflows.lab import Lab
from cloister.workflows.leases import Seat
from cloister.workflows.leases.ending import end
from cloister.workflows.leases.holding import held
from cloister.workflows.leases.seat import sitting
from cloister.workflows.leases.wish import PURPOSE
from cloister.workflows.people.members import as_member
from cloister.workflows.people.projects import in_project
from cloister.workflows.queue import requests
from cloister.workflows.runs.go_on import go_on_seated
from cloister.workflows.runs.replay import ReplayRequest, replay_seated
from cloister.workflows.runs.run import RunReport, RunRequest, run_seated
from cloister.workflows.unseal import open_keys

_NOTHING: Mapping[str, str] = {}
Told = Callable[[RunReport], dict[str, Any]]
"""What is said of a run that has ended, for those who follow it."""


def perform(
    lab: Lab, run: RunId, lock: int, told: Told, around: Mapping[str, str] = _NOTHING
) -> None:
    """Runs the job as whoever asked for it, in their role of today; holds ``lock`` meanwhile.

    ``around`` is what this process's own shell has, to reach other machines with.

    It does nothing for a job that another process began, or that was taken back: so however
    often it is called for one run, that runs once.
    """
    with held(lab, run, lock):
        job = lab.read(lambda tx: _to_begin(tx, run))
        if job is None:
            return
        try:
            _perform(as_asked(lab, job), job, told, around)
        except CloisterError as error:
            end(lab.act(Action.RUN), run, "refused", error.exit_status)
            raise
        except KeyboardInterrupt:  # asked to stop before there was anything to stop
            end(lab.act(Action.RUN), run, "cancelled")


def as_asked(lab: Lab, job: Job) -> Lab:
    """The lab as whoever asked for ``job`` gets it today; raises NotAllowed once they left."""
    return as_member(lab, job.person, f"job:{job.run}")


def request_of(lab: Lab, job: Job) -> bytes:
    """What was asked for; raises NotAllowed where its key was destroyed."""
    key = open_keys(lab, [job.key]).get(job.seal)
    if key is None:
        raise NotAllowed(f"{job.run}: its key was destroyed")
    return open_field(key, PURPOSE, job.request, job.run.encode())


def _to_begin(tx: Transaction, run: RunId) -> Job | None:
    job = history.find(tx, run)
    if job is None or job.state != history.RUNNING:
        return None
    begun = tx.query("SELECT 1 FROM run WHERE run = ?", (run,))
    return None if begun else job


def _perform(lab: Lab, job: Job, told: Told, around: Mapping[str, str]) -> None:
    act = lab.act(Action.RUN)
    with sitting(act, job.run, waited=True) as seat:
        try:
            report = _begin(lab, seat, request_of(lab, job), around)
        except CloisterError as error:
            body = {
                "code": error.code,
                "exit_status": error.exit_status,
                "hint": error.hint,
                "message": error.message,
            }
            seat.live.add(Kind.REFUSED, canonical(body))
            raise
        seat.live.add(Kind.REPORT, json.dumps(told(report)).encode())


def _begin(lab: Lab, seat: Seat, plain: bytes, around: Mapping[str, str]) -> RunReport:
    wanted, project = requests.read(plain), requests.project(plain)
    if project is not None:
        seat = replace(seat, act=in_project(lab, project).act(Action.RUN))
    if isinstance(wanted, ReplayRequest):
        return replay_seated(seat, wanted)
    if wanted.on is not None:
        wanted = replace(wanted, environment=reaching(wanted.environment, around))
    said = partial(_note, seat)
    if isinstance(wanted, RunRequest):
        return run_seated(seat, wanted, _nowhere, said=said)
    return go_on_seated(seat, wanted, _nowhere, said)


def _note(seat: Seat, line: str) -> None:
    seat.live.add(Kind.ERR, f"cloister: {line}\n".encode(errors="backslashreplace"))


def _nowhere(_: int, __: bytes) -> None:
    """Whoever wants to hear it follows the live log."""
