"""What a lab may set about its queue: the table [queue]."""

from __future__ import annotations

from dataclasses import dataclass, field

from cloister.core.errors import BadInput
from cloister.jobs.turns import Rules

_BOUNDS = {
    "cpus": (1, 4096),
    "memory_mib": (16, 1 << 26),
    "patience_minutes": (0, 10080),
    "half_life_hours": (1, 8760),
}


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """What jobs ask that say nothing, and the rules of turns."""

    cpus: int | None = None
    memory_bytes: int | None = None
    rules: Rules = field(default_factory=Rules)


def parse_queue(value: object) -> QueueSettings:
    """The table [queue] of cloister.toml; raises BadInput."""
    if not isinstance(value, dict) or not value.keys() <= _BOUNDS.keys():
        raise BadInput(f"cloister.toml: [queue] has {', '.join(_BOUNDS)}")
    for name, given in value.items():
        least, most = _BOUNDS[name]
        if type(given) is not int or not least <= given <= most:
            raise BadInput(f"cloister.toml: [queue] {name} is a number from {least} to {most}")
    memory, rules = value.get("memory_mib"), Rules()
    return QueueSettings(
        cpus=value.get("cpus"),
        memory_bytes=None if memory is None else memory << 20,
        rules=Rules(
            patience_s=value.get("patience_minutes", rules.patience_s / 60) * 60.0,
            half_life_s=value.get("half_life_hours", rules.half_life_s / 3600) * 3600.0,
        ),
    )
