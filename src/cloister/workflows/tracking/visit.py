"""Who tracks, and from where: every use case of tracking begins with one."""

from __future__ import annotations

from dataclasses import dataclass

from cloister.core.ids import RunId
from cloister.policy import Action
from cloister.workflows.lab import Act, Lab


@dataclass(frozen=True, slots=True)
class Visit:
    """One caller: the lab with its actor, and the fenced run that it is, if it is one."""

    lab: Lab
    fenced: RunId | None = None
    """Set by the door in the fence alone, never by anything a caller says. What is made here
    belongs to that run, and nothing of another run is shown."""

    def act(self, action: Action) -> Act:
        """Permission to ``action``, as something that makes events; raises NotAllowed."""
        return self.lab.act(action)

    @property
    def projects(self) -> frozenset[str] | None:
        """Whose objects the caller sees, beside those that all members share; None for all."""
        return None

    @property
    def project(self) -> str:
        """Where what the caller makes belongs; empty for what all members share."""
        return ""
