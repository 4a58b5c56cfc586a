"""Write a pipeline down for another scheduler."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cloister.pipelines import airflow
from cloister.policy import Action
from cloister.workflows.lab import Lab
from cloister.workflows.pipelines._asked import FlowRequest
from cloister.workflows.pipelines._reading import opened, read
from cloister.workflows.pipelines._turn import worker_turn


def export_airflow(
    lab: Lab, request: FlowRequest, place: Path, cloister: Sequence[str]
) -> airflow.Exported:
    """A DAG file for Airflow 3 whose tasks ask the lab at ``place`` for a step each.

    The file is read, in the fence, and nothing of it runs. Raises BadInput naming the step or
    trigger that Airflow cannot do as it is meant.
    """
    act = lab.act(Action.RUN)
    turn = worker_turn(lab, request.file, request.slots)
    with opened(act, request, turn, lambda _: None) as (session, _):
        _, plan = read(session, request)
    caller = airflow.Caller(place, request.workdir, request.python, request.file, cloister)
    return airflow.export(plan, caller)
