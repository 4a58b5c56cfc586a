"""One policy decision for every action."""

from cloister.policy.roles import ROLES, Action, decide, require

__all__ = ["ROLES", "Action", "decide", "require"]
