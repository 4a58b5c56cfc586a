"""What somebody asked to run, sealed until its turn comes.

Format: docs/formats/job-request.md.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cloister import fence
from cloister.core.canonical import canonical
from cloister.core.encoding import to_text
from cloister.core.errors import BadInput
from cloister.core.values import FenceLevel
from cloister.runs.checkpoints import Checkpoints
from cloister.workflows.queue.shown import on, unspelled
from cloister.workflows.runs.go_on import GoOnRequest
from cloister.workflows.runs.replay import ReplayRequest
from cloister.workflows.runs.run import RunRequest

Wanted = RunRequest | GoOnRequest | ReplayRequest


def write(wanted: Wanted, project: str | None = None) -> bytes:
    """All that it takes to begin it in another process; of its shell's variables only those
    that may reach a job."""
    value: dict[str, Any] = {
        "environment": _pairs(fence.job_environment(wanted.environment, {})),
        "project": project,
        "required": wanted.required.value,
    }
    if wanted.checkpoints is not None:
        value["checkpoints"] = {
            "every_ms": round(wanted.checkpoints.every_s * 1000),
            "patterns": _texts(wanted.checkpoints.patterns),
        }
    if isinstance(wanted, GoOnRequest):
        return canonical(value | _place(wanted) | {"resume": wanted.run})
    if isinstance(wanted, ReplayRequest):
        return canonical(value | {"replay": wanted.run, "tolerance": repr(wanted.tolerance)})
    return canonical(
        value
        | _place(wanted)
        | {
            "argv": _texts(wanted.argv),
            "data": list(wanted.data),
            "hub": None if wanted.hub is None else list(wanted.hub),
            "memory": wanted.memory_bytes,
            "reads": _texts(map(str, wanted.reads)),
            "seed": wanted.seed,
            "variables": _pairs(wanted.variables),
            "workdir": _text(str(wanted.workdir)),
        }
    )


def read(plain: bytes) -> Wanted:
    """What ``write`` wrote."""
    value = json.loads(plain)
    watched = value.get("checkpoints")
    checkpoints = None
    if watched is not None:
        checkpoints = Checkpoints(unspelled(watched["patterns"]), watched["every_ms"] / 1000)
    environment = _unpaired(value["environment"])
    required = FenceLevel(value["required"])
    if "resume" in value:
        return GoOnRequest(
            value["resume"],
            environment,
            required,
            checkpoints=checkpoints,
            cpus=value.get("cpus"),
            gpus=value.get("gpus", 0),
            on=on(value),
        )
    if "replay" in value:
        tolerance = float(value["tolerance"])
        return ReplayRequest(value["replay"], environment, tolerance, required)
    return RunRequest(
        argv=unspelled(value["argv"]),
        workdir=Path(*unspelled([value["workdir"]])),
        environment=environment,
        data=tuple(value["data"]),
        variables=_unpaired(value["variables"]),
        seed=value["seed"],
        reads=tuple(map(Path, unspelled(value["reads"]))),
        required=required,
        memory_bytes=value["memory"],
        hub=None if value["hub"] is None else tuple(value["hub"]),
        checkpoints=checkpoints,
        cpus=value.get("cpus"),
        gpus=value.get("gpus", 0),
        on=on(value),
    )


def project(plain: bytes) -> str | None:
    """The one project it was asked for in; None for all its person sees."""
    found: str | None = json.loads(plain)["project"]
    return found


def check(wanted: Wanted) -> None:
    """Raises BadInput for what only the process that was asked can give."""
    if wanted.stdin is not None:
        raise BadInput("a job of the queue has no terminal", hint="run it with --here")


def _place(wanted: RunRequest | GoOnRequest) -> dict[str, Any]:
    """Another machine, and what is asked of it; here it is the queue that lends."""
    if wanted.on is None:
        return {}
    return {"cpus": wanted.cpus, "gpus": wanted.gpus, "on": _text(wanted.on)}


def _pairs(variables: Any) -> list[list[str]]:
    return [[_text(name), _text(value)] for name, value in sorted(variables.items())]


def _unpaired(pairs: Sequence[Sequence[str]]) -> dict[str, str]:
    return {name: value for name, value in map(unspelled, pairs)}  # noqa: C416 - pairs, checked


def _texts(words: Any) -> list[str]:
    return [_text(word) for word in words]


def _text(word: str) -> str:
    return to_text(os.fsencode(word))
