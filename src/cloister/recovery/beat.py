"""What a continuous backup says of itself while it runs: gone with it, and after a reboot."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cloister.core.canonical import canonical
from cloister.core.files import write_durably
from cloister.core.ids import TargetId

EVERY_S = 10.0


@dataclass(frozen=True, slots=True)
class Beat:
    """How a watch stands."""

    time: str
    lag_ms: int
    """From the newest change to its arrival at the target, for the last save."""
    size: int
    """How many entries of the ledger are at the target."""
    trouble: str | None
    """Why it cannot save now."""


def beat_file(runtime: Path, target: TargetId) -> Path:
    """Where a watch of this target says how it stands."""
    return runtime / f"backup-{target}.json"


def say(path: Path, beat: Beat) -> None:
    """Replaces what was said."""
    said = {"lag_ms": beat.lag_ms, "size": beat.size, "time": beat.time}
    write_durably(path, canonical({**said, "trouble": beat.trouble}))


def heard(path: Path, now: datetime) -> Beat | None:
    """What a watch said last; None when none is running."""
    try:
        said = json.loads(path.read_bytes())
        beat = Beat(said["time"], said["lag_ms"], said["size"], said["trouble"])
        age = now - datetime.fromisoformat(beat.time)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return beat if age.total_seconds() < 3 * EVERY_S else None
