"""Write a pipeline down for another scheduler."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cloister.core.ids import FlowId
from cloister.pipelines import airflow
from cloister.pipelines.plan import parse
from cloister.policy import Action
from cloister.workflows.lab import Lab
from cloister.workflows.pipelines._turn import check_room
from cloister.workflows.pipelines.run import Flowing, FlowRequest
from cloister.workflows.runs._job import Output


def export_airflow(
    lab: Lab, request: FlowRequest, place: Path, cloister: Sequence[str], output: Output
) -> airflow.Exported:
    """A DAG file for Airflow 3 whose tasks ask the lab at ``place`` for a step each.

    The file is read, in the fence, and nothing of it runs. Raises BadInput naming the step or
    trigger that Airflow cannot do as it is meant.
    """
    act = lab.act(Action.RUN)
    begun = lab.clock.monotonic_s()
    flow = FlowId.new(lab.randomness)
    flowing = Flowing(act, flow, request, lambda _: None, output, begun)
    with flowing.session() as (session, _):
        plan = parse(session.worker.plan(request.file, request.name, request.chosen))
    check_room(lab, plan, ())
    caller = airflow.Caller(place, request.workdir, request.python, request.file, cloister)
    return airflow.export(plan, caller)
