"""What a lab lets jobs track, as its settings say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cloister.core.errors import BadInput

_MIB = 1 << 20
_MOST_MIB = 1 << 30


@dataclass(frozen=True, slots=True)
class TrackingSettings:
    """The table ``[tracking]``."""

    job_bytes: int = 100 * 1024 * _MIB
    """How much one job may log through its door, whatever becomes of it."""


def parse_tracking(value: Any) -> TrackingSettings:
    """The table as cloister.toml has it; raises BadInput."""
    given = TrackingSettings().job_bytes // _MIB
    if isinstance(value, dict) and value.keys() <= {"job_mib"}:
        given = value.get("job_mib", given)
        if type(given) is int and 1 <= given <= _MOST_MIB:
            return TrackingSettings(given * _MIB)
    raise BadInput(f"cloister.toml: [tracking] has job_mib, a number from 1 to {_MOST_MIB}")
