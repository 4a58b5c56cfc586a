"""Go on: a run that was killed, from the last checkpoints that were sealed of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from cloister import fence
from cloister.core.errors import BadInput
from cloister.core.events import Transaction
from cloister.core.ids import RunId
from cloister.core.values import FenceLevel
from cloister.fence import File, Files
from cloister.identity import projects
from cloister.policy import Action
from cloister.runs import code, conditions, environment, history, links
from cloister.runs.checkpoints import Checkpoints
from cloister.runs.conditions import RECORDED, Numeric
from cloister.runs.environment import Environment
from cloister.runs.history import Run
from cloister.runs.links import How, Link
from cloister.workflows import _seen
from cloister.workflows.far import places
from cloister.workflows.lab import Act, Lab
from cloister.workflows.leases import Seat, Wish, take_seat
from cloister.workflows.models import hub
from cloister.workflows.runs._attaching import attach_again
from cloister.workflows.runs._checkpointing import KIND
from cloister.workflows.runs._job import Output, RunReport, execute
from cloister.workflows.runs._lent import leased, unheard
from cloister.workflows.runs._placed import Lease, placed, require, tell_what_stays
from cloister.workflows.runs._plan import JobPlan
from cloister.workflows.runs._recorded import Left, leavings, start_of
from cloister.workflows.runs._replaying import this_host


@dataclass(frozen=True, slots=True)
class GoOnRequest:
    """Which run, and what the caller's shell has."""

    run: str
    environment: Mapping[str, str] = field(repr=False)
    required: FenceLevel = FenceLevel.FULL
    terminal: bool = False
    stdin: int | None = None
    checkpoints: Checkpoints | None = None
    """None: those of the run that was killed."""
    on: str | None = None
    """The address of another machine to go on at; None: here, wherever it ran."""
    cpus: int | None = None
    """Of that machine; None: all, with others."""
    gpus: int = 0
    """Of that machine; 0: as many as the run that was killed had."""


def go_on(
    lab: Lab, request: GoOnRequest, output: Output, said: Callable[[str], None] = unheard
) -> RunReport:
    """Starts the command of a run that did not end well, with its last checkpoints in place.

    The same command, data, variables, threads and instruction sets, in the working folder as
    it is now; a run of its own, linked to the first. What the checkpoints hold counts as the
    new run's own output. It begins when its turn has come, as any other. Raises BadInput for
    a run that ended well or left no checkpoint.
    """
    with take_seat(lab, wish(lab, request), said) as seat:
        return go_on_seated(seat, request, output, said)


def go_on_seated(
    seat: Seat,
    request: GoOnRequest,
    output: Output,
    said: Callable[[str], None] = unheard,
) -> RunReport:
    """As ``go_on``, once its turn has come."""
    act = seat.act
    run, kept = _found(act.lab, request)
    act.record([act.end_read(act.begin_read("resume", run=run.run), 0, 0)])
    plan = _plan(act, request, run, kept)
    if request.on is None:
        return execute(act, leased(plan, seat.lease), seat.heard(output), seat.run)
    lease = Lease(request.cpus or 0, request.gpus or plan.start.gpus)
    tell_what_stays(plan, said)
    with placed(plan, request.on, request.environment, lease, said) as there:
        return execute(act, there, seat.heard(output), seat.run)


def wish(lab: Lab, request: GoOnRequest) -> Wish:
    """What it wants of the machine: what the first run did; raises what ``go_on`` raises."""
    run, _ = _found(lab, request)
    start = start_of(lab, run)
    if request.on is not None:
        places.check(request.on)
        require(terminal=request.terminal, reads=bool(start.reads))
    words = ("--resume", str(run.run))
    return Wish(words, memory_bytes=start.memory_bytes, gpus=start.gpus, on=request.on)


def project_of(lab: Lab, tx: Transaction, request: GoOnRequest) -> str:
    """Where it belongs: with the run that it goes on with."""
    found = _seen.run(lab, tx, request.run, Action.RUN)
    return projects.of_object(tx, _seen.RUN, found.run)


def _found(lab: Lab, request: GoOnRequest) -> tuple[Run, dict[str, Left]]:
    lab.act(Action.RUN)
    run = lab.read(lambda tx: _seen.run(lab, tx, request.run, Action.RUN))
    if run.state == "finished":
        raise BadInput(f"{run.run} ended well: there is nothing to go on with")
    kept = _checkpoints(lab, run)
    if not kept:
        raise BadInput(
            f"{run.run} left no checkpoint",
            hint="start it again; `run --checkpoint PATTERN` seals some while it runs",
        )
    return run, kept


def _checkpoints(lab: Lab, run: Run) -> dict[str, Left]:
    """Path -> the newest of it, of this run and of those that it went on with."""
    found: dict[str, Left] = {}
    for name in reversed([*_chain(lab, run.run)]):
        found |= {one.path: one for one in leavings(lab, name) if one.output.kind == KIND}
    return found


def _chain(lab: Lab, run: RunId) -> Iterator[RunId]:
    at: RunId | None = run
    while at is not None:
        yield at
        name = at
        link = lab.read(partial(links.link_of, run=name))
        at = link.origin if link is not None and link.how == How.RESUME else None


def _plan(act: Act, request: GoOnRequest, run: Run, kept: Mapping[str, Left]) -> JobPlan:
    lab = act.lab
    start, settings = start_of(lab, run), history.settings(run)
    attachment = attach_again(lab, run, start)
    held = Numeric(start.variables, ())
    if request.on is None and "where" not in settings:  # one machine is not held to another's
        host = this_host(request.environment)
        variables = conditions.hold_instructions(start.variables, settings, host, RECORDED)
        held = conditions.hold_threads(variables, settings, host, RECORDED)
        if len(held.cpus) == len(host.cpus):
            held = replace(held, cpus=())
    start = replace(start, variables=held.variables)
    folders = [Path(os.path.realpath(one.path)) for one in attachment.given]
    hidden = (*attachment.withheld.values(), *lab.private)
    command, path = start.argv[0], start.variables["PATH"]
    watched = Checkpoints(start.checkpoints, start.every_s) if start.checkpoints else None
    plan = JobPlan(
        start=start,
        attachment=attachment,
        hidden=hidden,
        code=code.capture(start.workdir, exclude=[*folders, *hidden], named=start.argv),
        environment=Environment("", b"", 0),
        required=request.required,
        models=lab.read(lambda tx: hub.given_again(tx, run.run)),
        terminal=request.terminal,
        stdin=request.stdin,
        cpus=held.cpus,
        prepared=Files(
            lambda: (File(path, left.chunks(lab)) for path, left in kept.items()), mode=0o644
        ),
        link=Link(RunId(""), run.run, How.RESUME),
        checkpoints=request.checkpoints or watched,
    )
    if request.on is not None:  # where it runs, its environment is found
        return plan
    return replace(
        plan,
        environment=environment.capture(command, path, start.workdir),
        reads=fence.interpreter_paths(command, path, start.workdir),
    )
