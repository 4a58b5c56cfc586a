"""Make one step of a pipeline, for a scheduler that is not ours."""

from __future__ import annotations

from dataclasses import dataclass

from cloister.core.ids import RunId
from cloister.pipelines.progress import State
from cloister.pipelines.values import items
from cloister.workflows.lab import Lab
from cloister.workflows.pipelines._asked import FlowReport, FlowRequest
from cloister.workflows.pipelines._values import read
from cloister.workflows.pipelines.run import run_flow


@dataclass(frozen=True, slots=True)
class StepReport:
    """What became of the step; nothing of what it gave but how long a list that is."""

    flow: FlowReport
    state: State
    run: RunId | None
    """Which holds what it gave; None for all of a mapped step, of which each item has one."""
    items: int | None
    """Of a list, how many; None for any other value."""


def make_step(lab: Lab, request: FlowRequest) -> StepReport:
    """Makes ``request.step`` and what it needs, or uses earlier results again.

    Each call is tried once: whoever asks may ask again. What the tasks print is in their sealed
    logs and nowhere else, for who asks may keep what it hears in the clear. Raises BadInput for
    a step that there is not, and where the steps are not those of ``request.shape``.
    """
    report = run_flow(lab, request, lambda _: None, lambda _stream, _chunk: None)
    state, run = report.wanted or (State.FAILED, None)
    listed = None if run is None else items(read(lab, run)[0])
    return StepReport(
        flow=report,
        state=state,
        run=run,
        items=None if listed is None else len(listed),
    )
