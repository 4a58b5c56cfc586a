"""What the pages work with, and the table of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from cloister.core.ids import Randomness
from cloister.web.people.asking import Answer, Ask
from cloister.web.people.gate import Gate, Guest
from cloister.web.people.oidc import Provider, Sent
from cloister.web.people.pending import Pending
from cloister.workflows.lab import Lab
from cloister.workflows.people.throttle import Throttle
from cloister.workflows.uploads.intake import Intake
from cloister.workflows.views.findings import Pictures

_CHALLENGE_S, _ENROLMENT_S, _VISIT_S = 180.0, 1800.0, 600.0


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a passkey has to sign, and what for: an answer given elsewhere is none here."""

    purpose: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Desk:
    """One lab's pages."""

    gate: Gate
    throttle: Throttle
    challenges: Pending[Challenge]
    enrolments: Pending[str]
    """Secret of a second factor, under the invitation it is for."""
    visits: Pending[Sent]
    provider: Provider | None
    randomness: Randomness
    pictures: Pictures = field(default_factory=Pictures)
    intake: Intake = field(default_factory=Intake)

    def close(self) -> None:
        """Ends what it holds open."""
        self.pictures.close()
        self.intake.close()

    @property
    def lab(self) -> Lab:
        """As nobody gets it."""
        return self.gate.lab


Handler = Callable[[Desk, Guest, Ask], Answer]


@dataclass(frozen=True, slots=True)
class Page:
    """One address and what answers there."""

    method: str
    path: str
    handler: Handler
    open: bool = False
    """Answered without a login."""
    json: bool = False
    """Asked by our script, not by a person."""
    fields: tuple[str, ...] = ()
    """What a form that is sent there holds."""


def new_desk(gate: Gate, provider: Provider | None = None) -> Desk:
    """A desk with nothing pending."""
    lab = gate.lab
    clock, randomness = lab.clock, lab.randomness
    return Desk(
        gate,
        Throttle(clock, lab.database),
        Pending(clock, randomness, _CHALLENGE_S),
        Pending(clock, randomness, _ENROLMENT_S),
        Pending(clock, randomness, _VISIT_S),
        provider,
        randomness,
    )
