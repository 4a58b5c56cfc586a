"""Stop: a sweep begins no more trials; those that run end by themselves, or now."""

from __future__ import annotations

from cloister.core.errors import NotAllowed
from cloister.policy import Action
from cloister.sweeps import history
from cloister.sweeps.history import Sweep
from cloister.workflows.lab import Lab
from cloister.workflows.leases.holding import orphaned
from cloister.workflows.sweeps import _seen
from cloister.workflows.sweeps.run import close


def stop_sweep(lab: Lab, name: str, *, now: bool) -> Sweep:
    """Asks it to stop; on record when this returns. Whoever is at it does the rest.

    Raises NotFound, and NotAllowed for another person's where the actor does not administer
    the lab.
    """
    act = lab.act(Action.RUN)
    found = _seen.sweep(lab, name, Action.RUN)
    if found.actor != lab.actor.person and not lab.may(Action.ADMINISTER):
        raise NotAllowed("that is another person's sweep", hint="an admin can stop it")
    if found.state == history.RUNNING:
        how = "now" if now else "gently"
        act.record([act.event("sweep.stopping", {"how": how, "sweep": found.sweep})])
        with orphaned(lab, found.sweep) as alone:
            if alone:
                close(act, found.sweep, "stopped", "asked")
    return _seen.sweep(lab, found.sweep, Action.RUN)
