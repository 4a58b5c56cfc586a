"""Who tracks, and from where: every use case of tracking begins with one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from cloister.core.errors import NotAllowed
from cloister.core.ids import RunId
from cloister.identity import projects
from cloister.identity.projects import SHARED
from cloister.policy import LAB, Action, Resource
from cloister.workflows.lab import Act, Lab

_IN_A_FENCE = frozenset({Action.LIST, Action.READ, Action.RUN})


@dataclass(frozen=True, slots=True)
class Visit:
    """One caller: the lab with its actor, and the fenced run that it is, if it is one."""

    lab: Lab
    fenced: RunId | None = None
    """Set by the door in the fence alone, never by anything a caller says. What is made here
    belongs to that run, and nothing of another run is shown."""
    allowed: dict[tuple[Action, Resource], Act] | None = field(default=None, compare=False)
    """What policy allowed at this moment; None where it is asked each time."""

    def act(self, action: Action, on: Resource = LAB) -> Act:
        """Permission to ``action``, as something that makes events; raises NotAllowed."""
        if self.allowed is None:
            return self.lab.act(action, on)
        if (action, on) not in self.allowed:
            self.allowed[action, on] = self.lab.act(action, on)
        return self.allowed[action, on]

    def at_once(self) -> Visit:
        """The same for requests that had all come when the first of them is looked at: policy
        is asked once for those that want the same. Never kept beyond them."""
        return replace(self, allowed={})

    @property
    def projects(self) -> frozenset[str] | None:
        """Whose objects the caller sees; None for all of them."""
        return self.lab.actor.projects

    @property
    def project(self) -> str:
        """Where what the caller makes belongs: what everybody shares, unless they see less.

        Raises NotAllowed for a member of no project.
        """
        seen = self.projects
        if seen is None or SHARED in seen:
            return SHARED
        if not seen:
            raise NotAllowed("a member of no project cannot make anything")
        return min(seen)


def of_job(lab: Lab, run: RunId) -> Visit:
    """The job of a fenced run: whoever started it, seen through a keyhole.

    It is of its run's project alone, whatever its person sees, and may track: nothing else.
    """
    project = lab.read(lambda tx: projects.of_object(tx, "run", run))
    actor = replace(
        lab.actor,
        via=f"fence:{run}",
        projects=frozenset({project}),
        scopes=_IN_A_FENCE,
        present=False,
    )
    return Visit(replace(lab, actor=actor), run)
