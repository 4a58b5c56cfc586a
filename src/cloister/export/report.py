"""What a conversion says of itself, read as what it is: the word of a job in the fence."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

from cloister.core.errors import BadInput, PredictionsDiffer
from cloister.core.values import Parity

_LARGEST_REPORT = 1 << 20
_DECIMAL = re.compile(r"[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?|inf")
_CONVERTER = re.compile(r"[\w .+()-]{1,80}", re.ASCII)
_LOG = "the converter's words are in the log"


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a converted model may be from its original; declared before it is converted."""

    tolerance: float = 1e-4
    """Of the largest difference, relative to the greater of 1 and the original's value."""
    agreement: float = 1.0
    """Share of rows whose label must be the same."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A conversion that is believed."""

    converter: str
    parity: Parity


def judge(report: bytes | None, model: bytes | None, limits: Limits) -> Outcome:
    """The comparison, if it is within the limits.

    Raises PredictionsDiffer with the difference when it is not, and BadInput with the
    converter's reason when there is no model, or a report that no converter writes.
    """
    if report is None or len(report) > _LARGEST_REPORT:
        raise BadInput("the conversion ended without a report", hint=_LOG)
    try:
        value = json.loads(report)
        if "failed" in value:
            raise BadInput(_words(value["failed"]), hint=_words(value["hint"]) or _LOG)
        return _accept(value, model, limits)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadInput("the conversion left a report that cannot be read", hint=_LOG) from error


def _accept(value: dict[str, Any], model: bytes | None, limits: Limits) -> Outcome:
    if model is None or hashlib.sha256(model).hexdigest() != value["sha256"]:
        raise BadInput("the conversion left another model than it reports", hint=_LOG)
    parity = Parity(
        rows=_count(value["rows"]),
        held_out=value["held_out"] is True,
        compared=_count(value["compared"]),
        agreed=_count(value["agreed"]),
        max_abs=_decimal(value["max_abs"]),
        max_rel=_decimal(value["max_rel"]),
        tolerance=f"{limits.tolerance:.3e}",
    )
    converter = value["converter"]
    if not _CONVERTER.fullmatch(converter) or not 0 <= parity.agreed <= parity.compared:
        raise ValueError(converter)
    if parity.rows == 0:
        raise BadInput("there was no row to compare original and converted on")
    _check(parity, limits)
    return Outcome(converter, parity)


def _check(parity: Parity, limits: Limits) -> None:
    said = (
        f"largest difference {parity.max_abs}, relative {parity.max_rel}"
        f" (tolerance {parity.tolerance});"
        f" same label for {parity.agreed:,} of {parity.compared:,} rows"
    )
    # Written so that what is not a number is not within the tolerance.
    near = float(parity.max_rel) <= limits.tolerance
    alike = parity.agreed >= limits.agreement * parity.compared
    if not near or not alike:
        raise PredictionsDiffer(
            f"the converted model does not predict what the original did: {said}",
            hint="nothing was registered; if the difference may be, declare it before:"
            " --tolerance, --agreement",
        )


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value < 2**53:
        raise ValueError(value)
    return value


def _decimal(value: str) -> str:
    if not _DECIMAL.fullmatch(value):
        raise ValueError(value)
    return value


def _words(value: str) -> str:
    return "".join(one if one.isprintable() else " " for one in value[:500])
