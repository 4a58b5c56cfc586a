"""Everything policy is asked about."""

from __future__ import annotations

from enum import StrEnum


class Action(StrEnum):
    """What somebody wants to do."""

    ADMINISTER = "administer"
    ADD = "add"
    CLASSIFY = "classify"
    LIST = "list"
    READ = "read"
    LABEL = "label"
    RUN = "run"
    EXPORT = "export"
    SERVE = "serve"
    PREDICT = "predict"
    PROVE = "prove"
    TRACE = "trace"
    ERASE = "erase"
    APPROVE = "approve"
    AUDIT = "audit"
    KEYS = "keys"
    PEOPLE = "people"
    ACCOUNT = "account"


GRAVE = frozenset(
    {
        Action.ERASE,
        Action.KEYS,
        Action.EXPORT,
        Action.CLASSIFY,
        Action.APPROVE,
        Action.PEOPLE,
        Action.ACCOUNT,
    }
)
"""What nobody does with a token, or with a session left open: the person shows first, again,
who they are. Data leave or count for less, keys change, or somebody else gains or loses what
they may do."""
