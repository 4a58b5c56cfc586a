"""A request for a run of a pipeline as bytes: kept with its plan, or told to a process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack  # type: ignore[import-untyped]

from cloister.core.errors import Erased
from cloister.core.ids import RunId
from cloister.core.values import FenceLevel
from cloister.keys.seal import SealedReader
from cloister.runs import history
from cloister.workflows.lab import Lab
from cloister.workflows.pipelines._asked import FlowRequest
from cloister.workflows.unseal import open_keys

PLAN = "plan"
"""What is kept is called so among the outputs of the run that read the file."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What it takes to go on with a run of a pipeline, or to run it once more."""

    request: FlowRequest
    """As it was asked; the environment is that of whoever goes on."""
    plan: bytes
    versions: Mapping[str, str] | None
    """Reference -> the version that it means in all of the run; None: its turn never came."""


def kept_by(lab: Lab, run: RunId) -> Kept:
    """Of the run whose worker read the file; raises Erased, Tampered."""
    found = [one for one in lab.read(lambda tx: history.outputs(tx, run)) if one.kind == PLAN]
    keys = open_keys(lab, [one.key for one in found])
    for one in reversed(found):
        if one.seal in keys:
            read_at, size = lab.store.open(one.object)
            plain = b"".join(SealedReader(read_at, size, keys[one.seal], one.seal).chunks())
            told = msgpack.unpackb(plain)
            return Kept(unpacked(told), told["plan"], told["versions"])
    raise Erased(f"the plan of {run} is not there any more", hint="run the pipeline again")


def to_keep(request: FlowRequest, plan: bytes, versions: Mapping[str, str] | None) -> bytes:
    """What ``kept_by`` gives back, to be sealed."""
    return packed(request, plan=plan, versions=None if versions is None else dict(versions))


def packed(request: FlowRequest, **besides: object) -> bytes:
    """All of a request but its environment and its reason, and what is said ``besides``."""
    told = {
        "anew": request.anew,
        "chosen": dict(request.chosen),
        "file": request.file,
        "name": request.name,
        "on": list(request.on),
        "python": request.python,
        "required": str(request.required),
        "since": list(request.since),
        "slots": request.slots,
        "step": request.step,
        "workdir": os.fsencode(request.workdir),
    }
    return bytes(msgpack.packb(told | besides))


def unpacked(told: Mapping[str, Any]) -> FlowRequest:
    """The request; an earlier Cloister did not say all of it."""
    return FlowRequest(
        file=told["file"],
        workdir=Path(os.fsdecode(told["workdir"])),
        environment={},
        name=told["name"],
        chosen=told["chosen"],
        slots=told["slots"],
        anew=told["anew"],
        since=tuple(told.get("since", ())),
        on=tuple(told.get("on", ())),
        required=FenceLevel(told["required"]),
        python=told["python"],
        step=told.get("step"),
    )
