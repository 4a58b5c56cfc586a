"""Begin: a pipeline asked for by somebody who is not at the machine, in a process of its own.

What is asked goes from the service to that process through memory alone. Whoever asks hears of
its first step, or why it could not begin; on record it is from the moment its plan is.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgpack  # type: ignore[import-untyped]

from cloister.core.errors import BadInput, CloisterError, Conflict
from cloister.core.ids import FlowId
from cloister.policy import Action
from cloister.workflows.lab import Lab
from cloister.workflows.people.members import as_member
from cloister.workflows.pipelines import look
from cloister.workflows.pipelines._asked import FlowRequest, Moment
from cloister.workflows.pipelines._kept import kept_by, packed, unpacked
from cloister.workflows.pipelines.run import resume_flow, run_flow
from cloister.workflows.pipelines.schedule import begin_due, find, scheduled_request
from cloister.workflows.queue.submit import within

FLOW, DUE = "flow", "due"
_PATIENCE_S = 10.0
_LETS_GO_S, _LOOKS_S = 5.0, 0.1


@dataclass(frozen=True, slots=True)
class Begun:
    """A run of a pipeline that somebody asked for."""

    flow: FlowId
    waits: bool
    """It has not begun yet: it waits for its turn at the machine."""


def run_file(lab: Lab, request: FlowRequest) -> Begun:
    """Runs the pipeline of a file in the lab's ``folders``; raises BadInput, Conflict."""
    lab.act(Action.RUN)
    return _ask(lab, FlowId.new(lab.randomness), "run", _within(lab, request))


def run_again(
    lab: Lab, name: str, chosen: Mapping[str, str], *, anew: bool, since: tuple[str, ...]
) -> Begun:
    """Runs the pipeline once more as that run of it was asked for, but for its parameters.

    What did not change is used again, but for ``since`` and what comes of it; nothing is
    where it is made ``anew``. Raises NotFound, Erased, BadInput, Conflict.
    """
    lab.act(Action.RUN)
    found = look.find(lab, name, Action.RUN)
    before = kept_by(lab, found.plan_run).request
    plan = look.plan_of(lab, found)
    known = {one["name"] for one in plan.parameters}
    if unknown := set(chosen) - known:
        raise BadInput(
            f"{plan.name} has no parameter {min(unknown)}",
            hint=f"it has {', '.join(sorted(known)) or 'none'}",
        )
    wanted = replace(
        before, name=plan.name, chosen={**before.chosen, **chosen}, anew=anew, since=since
    )
    return _ask(lab, FlowId.new(lab.randomness), "run", _within(lab, wanted))


def run_scheduled(lab: Lab, pipeline: str) -> Begun:
    """Runs a pipeline now, as its schedule does; raises NotFound, BadInput, Conflict."""
    found = find(lab, pipeline)
    request = scheduled_request(lab, found, {}, None)
    wanted = replace(request, name=found.pipeline)
    return _ask(lab, FlowId.new(lab.randomness), "run", _within(lab, wanted))


def go_on(lab: Lab, name: str) -> Begun:
    """Goes on with a run that did not come to its end; raises BadInput, Conflict."""
    lab.act(Action.RUN)
    found = look.find(lab, name, Action.RUN)
    if found.state not in {"failed", "interrupted", "stopped"}:
        raise BadInput(f"{found.flow} is {found.state}: there is nothing to go on with")
    before = kept_by(lab, found.plan_run).request
    return _ask(lab, found.flow, "resume", _within(lab, before))


def _within(lab: Lab, request: FlowRequest) -> FlowRequest:
    """The request, in a folder where whoever is not at the machine may work."""
    folder = within(request.workdir, lab.folders)
    file = (folder / request.file).resolve()
    if folder not in file.parents or not file.is_file():
        raise BadInput("there is no such file in that folder")
    return replace(request, workdir=folder, file=str(file.relative_to(folder)))


def _ask(lab: Lab, flow: FlowId, verb: str, request: FlowRequest) -> Begun:
    if lab.starter is None:
        raise Conflict("no service is up that would begin it", hint="cloister up")
    asked = packed(request, flow=flow, person=lab.actor.person, verb=verb)
    said = lab.starter(FLOW, asked, wait_s=_PATIENCE_S)
    told: dict[str, Any] = json.loads(said) if said else {"waits": True}
    if "refused" in told:
        raise BadInput(told["refused"], hint=told["hint"])
    return Begun(flow, bool(told["waits"]))


def perform(
    lab: Lab,
    name: str,
    asked: bytes,
    environment: Mapping[str, str],
    say: Callable[[bytes], None],
) -> None:
    """In its own process: does what was asked, as whoever asked, in their role of today."""
    if name == DUE:
        begin_due(lab, asked.decode(), environment, lambda _: None, _nowhere)
        return
    told = msgpack.unpackb(asked)
    heard = _Heard(say)
    try:
        _perform(lab, told, environment, heard)
    except CloisterError as error:
        heard.say({"refused": error.message, "hint": error.hint})
        raise


def _perform(
    lab: Lab, told: Mapping[str, Any], environment: Mapping[str, str], heard: _Heard
) -> None:
    flow = FlowId.parse(told["flow"])
    theirs = as_member(lab, told["person"], f"flow:{flow}")
    if told["verb"] == "resume":
        _await_idle(theirs, flow)
        resume_flow(theirs, flow, environment, heard, _nowhere)
        return
    request = replace(unpacked(told), environment=environment)
    run_flow(theirs, request, heard, _nowhere, flow)


def _await_idle(lab: Lab, flow: FlowId) -> None:
    """Its end is on record a moment before its process lets go of it."""
    for _ in range(int(_LETS_GO_S / _LOOKS_S)):
        try:
            with lab.alone(flow):
                return
        except Conflict:
            time.sleep(_LOOKS_S)


@dataclass(slots=True)
class _Heard:
    """Says once, to whoever asked, how it began."""

    to: Callable[[bytes], None]
    is_said: bool = False

    def __call__(self, moment: Moment) -> None:
        self.say({"waits": moment.what == "waits"})

    def say(self, told: Mapping[str, object]) -> None:
        if not self.is_said:
            self.is_said = True
            self.to(json.dumps(told).encode())


def _nowhere(_: int, __: bytes) -> None:
    """What it prints is sealed with each of its runs."""
