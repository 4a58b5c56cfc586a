"""Stop: a run of a pipeline and all that it started; what it has made is kept."""

from __future__ import annotations

from cloister.core.errors import NotAllowed
from cloister.pipelines.history import Flow
from cloister.policy import Action
from cloister.workflows.lab import Lab
from cloister.workflows.leases.holding import orphaned
from cloister.workflows.pipelines import look
from cloister.workflows.pipelines._ending import close


def stop_flow(lab: Lab, name: str) -> Flow:
    """Asks it to stop; on record when this returns. Whoever is at it ends its tasks at once.

    ``resume_flow`` goes on with it. Raises NotFound, and NotAllowed for another person's where
    the actor does not administer the lab.
    """
    act = lab.act(Action.RUN)
    found = look.find(lab, name, Action.RUN)
    if found.actor != lab.actor.person and not lab.may(Action.ADMINISTER):
        raise NotAllowed("that is another person's run", hint="an admin can stop it")
    if found.state in {"running", "waiting"}:
        act.record([act.event("pipeline.stopping", {"flow": found.flow})])
        with orphaned(lab, found.flow) as alone:
            if alone:
                close(act, found.flow)
    return look.find(lab, found.flow, Action.RUN)
