"""What policy is asked: who wants to do what, to what, and how we know them."""

from __future__ import annotations

from dataclasses import dataclass

from cloister.core.values import Actor, Decision
from cloister.policy.actions import Action


@dataclass(frozen=True, slots=True)
class Resource:
    """What is acted upon."""

    kind: str
    """``lab``, ``dataset``, ``run``, ``experiment``..."""
    name: str
    project: str | None = None
    """Whose it is; None for the lab itself, which every member shares."""
    data_class: str | None = None
    """``public``, ``internal``, ``pseudonymous`` or ``identifiable``: of the data in it."""


LAB = Resource("lab", "lab")
"""Where an action is about no object in particular, or about the lab as a whole."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question, complete."""

    actor: Actor
    action: Action
    resource: Resource = LAB

    @property
    def within(self) -> bool:
        """Whether the actor sees what it is about."""
        seen, project = self.actor.projects, self.resource.project
        return seen is None or project is None or project in seen

    @property
    def scoped(self) -> bool:
        """Whether the token that was shown, if one was, is for such an action."""
        return self.actor.scopes is None or self.action in self.actor.scopes

    def refused(self) -> Decision | None:
        """Why the answer is no whatever the role and whatever a lab's own policies permit."""
        if not self.within:
            return Decision(False, "it belongs to another project", hidden=True)
        if not self.scoped:
            scopes = ", ".join(sorted(self.actor.scopes or ()))
            return Decision(False, f"the token may only {scopes or 'do nothing'}")
        return None
