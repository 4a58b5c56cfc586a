"""Run: a user's command on sealed data, in the fence, with all it was and left on record."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from cloister import fence
from cloister.core.values import FenceLevel
from cloister.jobs.asks import Priority
from cloister.policy import Action
from cloister.runs import code, environment
from cloister.runs.checkpoints import Checkpoints
from cloister.runs.command import Start
from cloister.runs.environment import Environment
from cloister.workflows.far import places
from cloister.workflows.lab import Lab
from cloister.workflows.leases import Seat, Wish, take_seat
from cloister.workflows.models import hub
from cloister.workflows.runs._attaching import attach
from cloister.workflows.runs._job import Output, RunReport, execute
from cloister.workflows.runs._lent import leased, unheard
from cloister.workflows.runs._placed import Lease, placed, refuse, require, tell_what_stays
from cloister.workflows.runs._plan import JobPlan

__all__ = [
    "Checkpoints",
    "Output",
    "RunReport",
    "RunRequest",
    "check",
    "run",
    "run_seated",
]


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What to run and on what."""

    argv: tuple[str, ...]
    workdir: Path
    environment: Mapping[str, str] = field(repr=False)
    """What the caller's shell has; only listed variables reach the job."""
    data: tuple[str, ...] = ()
    """Dataset references; empty: whatever the arguments name."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Further variables for the job."""
    seed: int = 0
    reads: tuple[Path, ...] = ()
    required: FenceLevel = FenceLevel.FULL
    terminal: bool = False
    """Gives the job a terminal of its own, joined to the one on ``stdin``."""
    stdin: int | None = None
    memory_bytes: int | None = None
    cpus: int | None = None
    """How many it is held to; None: a share of the machine, and held to none."""
    gpus: int = 0
    priority: Priority = Priority.NORMAL
    hub: tuple[str, ...] | None = None
    """Pretrained models to give; None: those that the arguments or the code name."""
    checkpoints: Checkpoints | None = None
    """Files to seal while the job runs, so that a run can go on after a kill."""
    on: str | None = None
    """The address of another machine to run it on, ``ssh:`` or ``ray:``; None: here."""

    def wish(self) -> Wish:
        """What it wants of a machine."""
        argv, memory = self.argv, self.memory_bytes
        return Wish(argv, self.cpus, memory, self.gpus, self.priority, on=self.on)


def run(
    lab: Lab, request: RunRequest, output: Output, said: Callable[[str], None] = unheard
) -> RunReport:
    """Runs the command; its outputs are sealed and on record when this returns.

    It begins when its turn has come; ``said`` is told where that is not at once.

    The job sees the data read-only at the path they were added from, works on an overlay of
    the working folder, and reaches nothing else. Killed at any moment, the run stays on
    record as interrupted and no plaintext survives. Raises BadInput, NotFound, and
    FenceUnavailable when the host cannot give ``request.required``.
    """
    lab.act(Action.RUN)
    plan = _plan(lab, request)  # what is wrong with it is said before it waits
    with take_seat(lab, request.wish(), said) as seat:
        return run_seated(seat, request, output, None if seat.waited else plan, said)


def run_seated(
    seat: Seat,
    request: RunRequest,
    output: Output,
    plan: JobPlan | None = None,
    said: Callable[[str], None] = unheard,
) -> RunReport:
    """As ``run``, once its turn has come; ``plan`` is what was settled just now."""
    settled = plan or _plan(seat.act.lab, request)
    if request.on is None:
        lent = leased(settled, seat.lease)
        return execute(seat.act, lent, seat.heard(output), seat.run)
    tell_what_stays(settled, said)
    lease = Lease(request.cpus or 0, request.gpus)
    with placed(settled, request.on, request.environment, lease, said) as there:
        return execute(seat.act, there, seat.heard(output), seat.run)


def check(lab: Lab, request: RunRequest) -> tuple[str, ...]:
    """The datasets that it would be given; raises what ``run`` raises for the wrong ones, and
    for what cannot be had on another machine."""
    if request.on is not None:
        places.check(request.on)
        require(terminal=request.terminal, reads=bool(request.reads))
    given = attach(lab, request.argv, request.workdir, request.data).given
    return tuple(one.view.version.dataset for one in given)


def _plan(lab: Lab, request: RunRequest) -> JobPlan:
    attachment = attach(lab, request.argv, request.workdir, request.data)
    folders = [Path(os.path.realpath(one.path)) for one in attachment.given]
    hidden = (*attachment.withheld.values(), *lab.private)
    captured = code.capture(request.workdir, exclude=[*folders, *hidden], named=request.argv)
    models = hub.named(lab, request.argv, captured.archive, request.hub)
    offline = hub.VARIABLES if models else {}
    seeded = {"PYTHONHASHSEED": str(request.seed), **offline, **request.variables}
    variables = fence.job_environment(request.environment, seeded)
    start = Start(
        argv=request.argv,
        workdir=request.workdir,
        variables=variables,
        reads=request.reads,
        places={one.view.version.dataset: one.path for one in attachment.given},
        memory_bytes=request.memory_bytes,
        checkpoints=tuple(request.checkpoints.patterns) if request.checkpoints else (),
        every_s=request.checkpoints.every_s if request.checkpoints else 0.0,
    )
    plan = JobPlan(
        start=start,
        attachment=attachment,
        hidden=hidden,
        code=captured,
        models=models,
        environment=Environment("", b"", 0),
        required=request.required,
        terminal=request.terminal,
        stdin=request.stdin,
        checkpoints=request.checkpoints,
    )
    if request.on is not None:  # where it runs, its environment is found
        places.check(request.on)
        refuse(plan)
        return plan
    command, path = request.argv[0], variables["PATH"]
    return replace(
        plan,
        environment=environment.capture(command, path, request.workdir),
        reads=fence.interpreter_paths(command, path, request.workdir),
    )
