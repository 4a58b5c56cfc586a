"""The bytes of an entry, and the event they hold."""

from __future__ import annotations

import json
from collections.abc import Mapping

from cloister.core.errors import BadInput, Tampered
from cloister.core.events import Event

_FIELDS = frozenset({"v", "type", "time", "actor", "reason", "body"})
_SAFE = (str, int, type(None))


def event_of(leaf: bytes) -> Event:
    """The event whose canonical JSON ``leaf`` is; raises Tampered for anything else."""
    try:
        fields = json.loads(leaf)
    except ValueError as error:
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


def check_body(value: object) -> None:
    """Returns if every number is an integer, so that a replay reads what was written.

    Raises BadInput for a float: 5.0 is written ``5`` and would come back another type.
    """
    if isinstance(value, _SAFE):
        return
    if isinstance(value, list | tuple):
        for item in value:
            if not isinstance(item, _SAFE):
                check_body(item)
    elif isinstance(value, Mapping):
        for item in value.values():
            if not isinstance(item, _SAFE):
                check_body(item)
    else:
        raise BadInput(
            f"an event's body cannot hold a {type(value).__name__}; send numbers as integers"
        )
