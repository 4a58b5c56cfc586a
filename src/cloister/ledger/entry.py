"""The bytes of an entry, and the event they hold."""

from __future__ import annotations

import json

from cloister.core.errors import Tampered
from cloister.core.events import Event

_FIELDS = frozenset({"v", "type", "time", "actor", "reason", "body"})


def event_of(leaf: bytes) -> Event:
    """The event whose canonical JSON ``leaf`` is; raises Tampered for anything else."""
    try:
        fields = json.loads(leaf)
    except (ValueError, RecursionError) as error:
        raise Tampered("a ledger entry is not JSON") from error
    if not isinstance(fields, dict) or fields.keys() != _FIELDS or fields["v"] != 1:
        raise Tampered("a ledger entry is not of a form this program knows")
    event = Event(
        fields["type"], fields["time"], fields["actor"], fields["reason"], fields["body"]
    )
    for text in (event.type, event.time, event.actor, event.reason):
        if not isinstance(text, str):
            raise Tampered("a ledger entry is not of a form this program knows")
    return event
