"""Resume: what a killed process left between its beginning and its end, set right at start.

Every command looks; what mends is loaded when there is something to mend.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from cloister.core.errors import Conflict, CopyUnavailable
from cloister.core.words import count
from cloister.identity import subjects
from cloister.jobs import history as jobs
from cloister.pipelines import history as flows
from cloister.policy import Action
from cloister.runs import history
from cloister.sweeps import history as sweeps
from cloister.workflows.lab import Lab
from cloister.workflows.leases import live


def resume(lab: Lab) -> list[str]:
    """Finishes interrupted erasures, closes interrupted runs; says what it did.

    What a living process is still at is left to it, and what this actor may not do is left
    to the next command of somebody who may. Whoever decided on an erasure showed who they
    were: to finish it asks nobody again.
    """
    lab = replace(lab, actor=replace(lab.actor, present=True))
    return [*_erasures(lab), *_runs(lab), *_jobs(lab), *_flows(lab), *_sweeps(lab)]


def _erasures(lab: Lab) -> Iterator[str]:
    if not lab.may(Action.ERASE):
        return
    for pending in lab.read(subjects.pending_erasures):
        with _orphaned(lab, pending.operation) as orphaned:
            # Asked again under the lock: whoever held it may have come to the end.
            if orphaned and pending in lab.read(subjects.pending_erasures):
                from cloister.workflows.patients.erase import finish

                try:
                    finish(lab.act(Action.ERASE), pending)
                except CopyUnavailable as error:  # what is asked for may be the way out of it
                    yield f"the erasure {pending.operation} is not finished: {error.message}"
                else:
                    yield f"finished the erasure {pending.operation} that was interrupted"


def _runs(lab: Lab) -> Iterator[str]:
    if not lab.may(Action.RUN):
        return
    for run in lab.read(history.running):
        from cloister.workflows.runs.closing import close

        with _orphaned(lab, run.run) as orphaned:
            if orphaned and close(lab.act(Action.RUN), run.run):
                yield f"run {run.run} was interrupted: {_left(lab, run.run)}"


def _jobs(lab: Lab) -> list[str]:
    alive = lab.read(jobs.alive)
    live.clear(lab, frozenset(one.run for one in alive))
    if not alive:
        return []
    from cloister.workflows.queue.dispatch import set_right

    return set_right(lab)


def _flows(lab: Lab) -> Iterator[str]:
    if not lab.may(Action.RUN):
        return
    for flow in lab.read(flows.running):
        from cloister.workflows.pipelines._ending import close

        with _orphaned(lab, flow.flow) as orphaned:
            if orphaned and close(lab.act(Action.RUN), flow.flow):
                again = f"`cloister pipeline resume {flow.flow}`"
                yield f"the pipeline {flow.pipeline} was interrupted: go on with it: {again}"


def _sweeps(lab: Lab) -> Iterator[str]:
    if not lab.may(Action.RUN):
        return
    for one in lab.read(sweeps.running):
        from cloister.workflows.sweeps.run import close

        with _orphaned(lab, one.sweep) as orphaned:
            if orphaned and close(lab.act(Action.RUN), one.sweep):
                again = f"`cloister sweep resume {one.sweep}`"
                yield f"the sweep {one.sweep} was interrupted: go on with it: {again}"


def _left(lab: Lab, run: str) -> str:
    kept = [one.kind for one in lab.read(lambda tx: history.outputs(tx, run))]
    if "checkpoint" in kept:
        number = kept.count("checkpoint")
        said = count(number, "checkpoint is kept", "checkpoints are kept")
        return f"{said}: `cloister run --resume {run}`"
    return f"its log is kept: `cloister logs {run}`" if kept else "nothing of it was kept"


@contextmanager
def _orphaned(lab: Lab, name: str) -> Iterator[bool]:
    """Whether nobody else holds this lock, which the kernel drops with its holder's process."""
    with ExitStack() as held:
        try:
            held.enter_context(lab.alone(name))
        except Conflict:
            yield False
            return
        yield True
