"""How long things last."""

from __future__ import annotations

from datetime import timedelta

from cloister.core.clock import timestamp
from cloister.workflows.lab import Lab

INVITATION = timedelta(days=3)
SESSION = timedelta(hours=12)
FRESH = timedelta(minutes=5)
"""How long after somebody showed who they are they count as present."""
LONGEST_TOKEN = timedelta(days=365)


def now(lab: Lab) -> str:
    """This moment, as the record writes it."""
    return timestamp(lab.clock.now())


def after(lab: Lab, span: timedelta) -> str:
    """The moment that lies so far ahead."""
    return timestamp(lab.clock.now() + span)
