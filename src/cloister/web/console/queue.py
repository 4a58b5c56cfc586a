"""The queue: what runs, what waits and why; jobs asked for, followed, stopped."""

from __future__ import annotations

import os
import shlex
from functools import cache
from pathlib import Path
from typing import Any

from cloister.app import config as configuration
from cloister.core.errors import BadInput
from cloister.jobs.asks import Box, Priority
from cloister.policy import Action
from cloister.runs.live import Kind as Said_by
from cloister.runs.meters import Meters
from cloister.web.console.calls import Asked, Call, Field, Kind, Said, listed
from cloister.workflows.leases.wish import machine
from cloister.workflows.queue import follow, overview, service
from cloister.workflows.queue.find import find
from cloister.workflows.queue.overview import JobLine
from cloister.workflows.queue.stop import stop
from cloister.workflows.queue.submit import submit_from_elsewhere
from cloister.workflows.runs.run import RunRequest


@cache
def _box() -> Box:
    """The machine does not change while the service is up."""
    return machine()


@cache
def _meters(folder: Path) -> Meters:
    """They tell use since they were last read."""
    return Meters(folder)


def all_jobs(asked: Asked) -> dict[str, Any]:
    """What runs, then what waits in the order of its turns, then what ended last."""
    lab = asked.lab
    view = overview.look(lab, _box(), service=service.wake(lab), ended=asked.whole("ended", 20))
    items = [_job(one) for one in view.jobs]
    box, free = view.box, view.free
    return listed(items, None, len(items)) | {
        "machine": {
            "cpus": _part(len(box.cpus), free.cpus),
            "memory_bytes": _part(box.memory_bytes, free.memory_bytes),
            "gpus": _part(len(box.gpus), free.gpus),
            "load": round(os.getloadavg()[0], 2),
            "figures": _meters(lab.folder).sample(),
        },
        "service": view.service,
        "hidden": view.hidden,
        "shares": dict(view.shares),
        "folders": [str(folder) for folder in lab.folders],
    }


def one_job(asked: Asked) -> dict[str, Any]:
    """One job, by its run."""
    lab = asked.lab
    job = find(lab, asked.named["run"])
    return _job(overview.line(lab, _box(), job, service=service.wake(lab)))


def ask(asked: Asked) -> Said:
    """Asks for a run in a folder of the machine; it begins when its turn has come."""
    memory, cpus = asked.whole("memory_mib"), asked.whole("cpus")
    asked.lab.act(Action.RUN)
    request = RunRequest(
        argv=_words(asked.text("command")),
        workdir=Path(asked.text("folder")),
        environment={**configuration.surroundings().environment, "PYTHONUNBUFFERED": "1"},
        data=asked.texts("data"),
        seed=asked.whole("seed"),
        memory_bytes=memory << 20 if memory else None,
        cpus=cpus or None,
        gpus=asked.whole("gpus"),
        priority=_priority(asked.text("priority", Priority.NORMAL.value)),
    )
    run = submit_from_elsewhere(asked.lab, request)
    service.wake(asked.lab)
    return Said({"run": run, "state": "queued"}, 201)


def end(asked: Asked) -> dict[str, Any]:
    """Stops a job and all that it started; one that waits is taken from the queue."""
    job = stop(asked.lab, asked.named["run"])
    (line,) = overview.lines(asked.lab, [(job, None)])
    return _job(line)


def log(asked: Asked) -> dict[str, Any]:
    """What a job says, from where an earlier answer ended."""
    found = follow.part(asked.lab, asked.named["run"], asked.text("from"))
    pieces: list[dict[str, str]] = []
    for frame in found.frames:
        stream = "out" if frame.kind is Said_by.OUT else "err"
        pieces.append({"stream": stream, "text": frame.content.decode("utf-8", "replace")})
    return {"pieces": pieces, "next": found.following, "ended": found.ended}


def _job(line: JobLine) -> dict[str, Any]:
    job = line.job
    return {
        "run": job.run,
        "state": line.outcome,
        "over": job.ended is not None,
        "begun": job.started is not None,
        "person": line.person,
        "mine": line.mine,
        "priority": job.priority,
        "cpus": job.cpus,
        "memory_bytes": job.memory_bytes,
        "gpus": job.gpus,
        "leased_gpus": job.lease.gpus,
        "asked": job.asked,
        "started": job.started,
        "ended": job.ended,
        "exit_status": job.exit_status,
        "waits": line.waits,
        "on": line.on,
        "command": line.command,
    }


def _part(total: int, free: int) -> dict[str, int]:
    return {"total": total, "free": free}


def _words(command: str) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(command))
    except ValueError as error:
        raise BadInput("the command is not written as a shell would read it") from error
    if not words:
        raise BadInput("no command was said")
    return words


def _priority(text: str) -> Priority:
    try:
        return Priority(text)
    except ValueError as error:
        raise BadInput("a priority is low, normal or high") from error


CALLS = (
    Call("GET", "/jobs", all_jobs, fields=(Field("ended", Kind.WHOLE, most=500),)),
    Call(
        "POST",
        "/jobs",
        ask,
        Action.RUN,
        (
            Field("command", required=True, most=65536),
            Field("folder", required=True),
            Field("data", Kind.TEXTS, most=64),
            Field("seed", Kind.WHOLE, most=2**32 - 1),
            Field("cpus", Kind.WHOLE, most=4096),
            Field("memory_mib", Kind.WHOLE, most=1 << 26),
            Field("gpus", Kind.WHOLE, most=1024),
            Field("priority", most=10),
        ),
        statuses=(201,),
    ),
    Call("GET", "/jobs/{run}", one_job),
    Call("POST", "/jobs/{run}/stop", end, Action.RUN),
    Call("GET", "/jobs/{run}/log", log, fields=(Field("from", most=40),)),
)
