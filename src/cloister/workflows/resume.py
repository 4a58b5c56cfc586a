"""Resume: what a killed process left between its beginning and its end, set right at start."""

from __future__ import annotations

from cloister.core.errors import Conflict
from cloister.identity import subjects
from cloister.policy import Action
from cloister.runs import history
from cloister.workflows.erase import finish
from cloister.workflows.lab import Lab
from cloister.workflows.run import interrupted


def resume(lab: Lab) -> list[str]:
    """Finishes interrupted erasures, closes interrupted runs; says what it did."""
    done: list[str] = []
    for pending in lab.read(subjects.pending_erasures):
        finish(lab.act(Action.ERASE), pending)
        done.append(f"finished the erasure {pending.operation} that was interrupted")
    for run in lab.read(history.running):
        if _is_dead(lab, run.run):
            act = lab.act(Action.RUN)
            act.record([interrupted(act, run.run)])
            done.append(f"run {run.run} was interrupted: nothing of it was kept")
    return done


def _is_dead(lab: Lab, run: str) -> bool:
    """Whether nobody holds the run's lock; the kernel drops it with the process."""
    try:
        with lab.alone(run):
            return True
    except Conflict:
        return False
