"""Which sweeps an actor sees: those of their projects, as what the trials track."""

from __future__ import annotations

from cloister.core.errors import NotFound
from cloister.core.events import Transaction
from cloister.policy import Action, Resource
from cloister.sweeps import history
from cloister.sweeps.history import Sweep
from cloister.workflows.lab import Lab


def sweep(lab: Lab, name: str, action: Action) -> Sweep:
    """The sweep that ``name`` means, to ``action`` it; raises NotFound, NotAllowed."""

    def query(tx: Transaction) -> Sweep:
        own = sweeps(lab, tx) if name == "last" else ()
        if name == "last" and not own:
            raise NotFound("there is no sweep yet", hint="make one: `cloister sweep FILE`")
        found = own[-1] if own else history.find(tx, name)
        if not _within(lab, found):
            raise NotFound(f"no sweep begins with {name}", hint="see `cloister sweep ls`")
        lab.act(action, resource(found), tx)
        return found

    return lab.read(query)


def sweeps(lab: Lab, tx: Transaction) -> list[Sweep]:
    """All that are seen, oldest first."""
    found = [one for one in history.everything(tx) if _within(lab, one)]
    return [one for one in found if lab.may(Action.LIST, resource(one), tx)]


def resource(found: Sweep) -> Resource:
    """What policy is asked about: the experiment that holds what its trials tracked."""
    return Resource("experiment", str(found.experiment), found.project)


def _within(lab: Lab, found: Sweep) -> bool:
    within = lab.actor.projects
    return within is None or found.project in within
