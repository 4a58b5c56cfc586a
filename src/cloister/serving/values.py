"""What crosses the boundary of serving: the model to answer with, and what is put on record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from cloister.core.commitment import Opening
from cloister.core.ids import SubjectId
from cloister.core.values import Actor

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class VerifiedModel:
    """A model whose signed statement was checked, and what that statement says it is."""

    content: bytes = field(repr=False)
    sha256: str
    """Hex, from the statement; the content is hashed again before it is used."""
    statement_sha256: str
    """Hex, of the signed envelope."""


@dataclass(frozen=True, slots=True)
class Served:
    """How a model is addressed and marked."""

    name: str
    version: str
    watermark: str | None = "unreleased"
    """Put on every answer; None once the model is released."""


@dataclass(frozen=True, slots=True)
class PredictionFacts:
    """One answer that is about to leave: what the record must say of it first."""

    model_sha256: str
    statement_sha256: str
    actor: Actor
    subject: SubjectId | None
    question: Opening = field(repr=False)
    """Commits to the inputs; ``question.commitment()`` is public, the opening is sealed."""
    answer: Opening = field(repr=False)
    """Commits to the outputs."""


class Recorder(Protocol):
    """Puts one prediction on record."""

    def __call__(self, facts: PredictionFacts, /) -> int:
        """Its ledger index, once it is durable; whatever it raises, the answer stays here.

        Called from several threads at once, so that callers may share one commit.
        A DurabilityLost also ends the server.
        """


TokenCheck = Callable[[str], Actor | None]
"""Whose token this is, or None. Called for every request, in the event loop: must not wait."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one server takes on; beyond it, it says so and drops the rest."""

    body_bytes: int = 64 * MIB
    json_bytes: int = 8 * MIB
    """Of the JSON part; large tensors travel as binary data."""
    in_flight: int = 256
    """Predictions being received or answered."""
    in_flight_bytes: int = 256 * MIB
    """Of their bodies together."""
    per_second: float = 2000.0
    """Predictions over time; as many again may come at once."""
    threads: int = 16
    """Predictions computed and recorded side by side."""
    answer_timeout_s: float = 60.0
    body_timeout_s: float = 30.0
    header_timeout_s: float = 10.0
    connections: int = 512
    tensor_elements: int = 64 * MIB
    tensors: int = 256


@dataclass(frozen=True, slots=True)
class Execution:
    """How the runtime computes: fixed, so that the same input gives the same bits."""

    threads: int = 1
    """Inside one prediction."""
    allow_nonfinite: bool = False
    """Whether NaN and infinities may go in and come out."""
