"""What nobody does alone in a lab."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TwoPersons:
    """The two-person rule of a lab."""

    actions: frozenset[str] = frozenset()
    """What a second person has to agree to."""
    within_h: int = 72
    """How long a request, and the consent to it, hold."""
