"""What a run was lent, as part of what is settled before it begins."""

from __future__ import annotations

from dataclasses import replace

from cloister.jobs.asks import Lease
from cloister.workflows.runs._plan import JobPlan

_VISIBLE = "CUDA_VISIBLE_DEVICES"


def leased(plan: JobPlan, lease: Lease) -> JobPlan:
    """The plan on what was lent: its processors, its GPUs and no others.

    CUDA numbers the devices that a job sees from 0, whatever the driver calls them.
    """
    variables = dict(plan.start.variables)
    if lease.gpus:
        variables[_VISIBLE] = ",".join(map(str, range(len(lease.gpus))))
    start = replace(plan.start, variables=variables, gpus=len(lease.gpus))
    return replace(plan, start=start, cpus=lease.cpus or plan.cpus, gpus=lease.gpus)


def unheard(_: str) -> None:
    """Nobody is told that a run waits."""
