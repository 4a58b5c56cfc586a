"""The worker that reads a pipeline's file: its turn, its fence, and what calls start from."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cloister import fence
from cloister.core.errors import BadInput
from cloister.fence import FenceSpec
from cloister.pipelines.plan import Plan, parse
from cloister.runs import code, environment
from cloister.runs.command import Start
from cloister.workflows import _seen
from cloister.workflows.far.worker import Fenced
from cloister.workflows.lab import Act, Lab
from cloister.workflows.pipelines._asked import FlowRequest, Moment
from cloister.workflows.pipelines._session import Ground, Session
from cloister.workflows.pipelines._turn import WorkerTurn, check_room
from cloister.workflows.runs._attaching import Attachment, attach
from cloister.workflows.runs._plan import JobPlan


@contextmanager
def opened(
    act: Act, request: FlowRequest, turn: WorkerTurn, tell: Callable[[Moment], None]
) -> Iterator[tuple[Session, JobPlan]]:
    """A worker whose turn has come, before it has read anything; and what is the same for all
    calls: code, environment, interpreter, what is hidden.

    Raises BadInput where the working folder cannot be one, FenceUnavailable.
    """
    try:
        turn.wait(lambda said: tell(Moment("waits", request.file, None, said, 0, 0)))
        template = _template(act.lab, request)
        start = template.start
        spec = FenceSpec(
            argv=start.argv,
            workdir=start.workdir,
            env=start.variables,
            reads=template.reads,
            hidden=template.hidden,
            required=request.required,
        )
        project = _seen.own_project(act.lab)
        ground = Ground(template.code, template.environment, start.variables, project)
        slots = request.slots or len(os.sched_getaffinity(0))
        bell = threading.Event()
        with Session.open(act, lambda: Fenced(spec, slots, bell), ground) as session:
            yield session, template
    finally:
        turn.give_back()


def read(session: Session, request: FlowRequest) -> tuple[bytes, Plan]:
    """The plan as the file gives it, and parsed.

    Raises BadInput for a file that defines no pipeline, or wrongly, and for a step that no
    machine could ever make.
    """
    packed = session.worker.plan(request.file, request.name, request.chosen)
    plan = parse(packed)
    check_room(session.act.lab, plan, request.on)
    return packed, plan


def _template(lab: Lab, request: FlowRequest) -> JobPlan:
    argv = (request.python, "-m", "cloister.pipelines.inside")
    nothing = attach(lab, argv[:1], request.workdir, ())
    if nothing.given:
        raise BadInput(
            "the pipeline's working folder lies in the folder of a dataset",
            hint="keep code and data apart",
        )
    hidden = (*nothing.withheld.values(), *lab.private)
    variables = fence.job_environment(request.environment, {"PYTHONHASHSEED": "0"})
    path = variables["PATH"]
    return JobPlan(
        start=Start(argv, request.workdir, variables),
        attachment=Attachment((), {}),
        hidden=hidden,
        code=code.capture(request.workdir, exclude=hidden, named=(request.file,)),
        environment=environment.capture(argv[0], path, request.workdir),
        required=request.required,
        reads=fence.interpreter_paths(argv[0], path, request.workdir),
    )
