"""Which role may do what: one table, the same that shipped.cedar says in Cedar."""

from __future__ import annotations

from collections.abc import Mapping

from cloister.policy.actions import Action

_MEMBER = frozenset({Action.LIST, Action.ACCOUNT})
_LOOK = _MEMBER | {Action.AUDIT, Action.PROVE}
ROLES: Mapping[str, frozenset[Action]] = {
    "admin": frozenset(Action),
    "engineer": _LOOK
    | {Action.ADD, Action.READ, Action.LABEL, Action.RUN, Action.EXPORT}
    | {Action.SERVE, Action.PREDICT},
    "researcher": _MEMBER | {Action.PROVE, Action.RUN, Action.PREDICT},
    "annotator": _MEMBER | {Action.READ, Action.LABEL},
    "auditor": _LOOK | {Action.TRACE, Action.APPROVE},
    "site": _MEMBER | {Action.ADD},
    "service": frozenset({Action.PREDICT}),
}
"""The auditor (data-protection officer) reads the record and never the data; the researcher
trains, and neither brings data nor takes them out; the site, another hospital, brings data
and sees that they came; the service is a deployment's caller and no person."""

EVERYWHERE = frozenset({"admin", "auditor"})
"""Roles that see every project: one who answers for the lab cannot answer for half of it."""

PERSONS = tuple(role for role in ROLES if role != "service")
"""The roles a member may have."""
