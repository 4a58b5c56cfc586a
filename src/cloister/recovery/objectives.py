"""The policy matrix: what is wanted for each class of data, what is measured, what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cloister.core.events import Transaction
from cloister.core.ids import TargetId
from cloister.recovery import register
from cloister.recovery.policy import CLASSES, Objective, Policy

_WHOLE_LAB = ("box-loss", "disk-loss", "ransomware")
_KEYS = ("lost-key-provider", "box-loss")


@dataclass(frozen=True, slots=True)
class Standing:
    """One class of data: wanted, measured, and the price."""

    name: str
    wanted: Objective
    rpo_s: float | None
    """What a disaster now would lose; None where nothing is known to bring it back."""
    rto_s: float | None
    """What the last rehearsal took; None where it was never rehearsed, or failed."""
    size_bytes: int
    """What each copy of it takes."""

    @property
    def kept(self) -> bool | None:
        """Whether the objective is met; None where that was not measured."""
        if self.rpo_s is not None and self.rpo_s > self.wanted.rpo_s:
            return False
        if self.rto_s is not None and self.rto_s > self.wanted.rto_s:
            return False
        return None if self.rpo_s is None or self.rto_s is None else True

    @property
    def says(self) -> str:
        """The verdict in a few words."""
        if self.kept:
            return "kept"
        if self.kept is None:
            lacks = "no copy" if self.rpo_s is None else "never rehearsed"
            return f"not shown: {lacks}"
        late = self.rpo_s is not None and self.rpo_s > self.wanted.rpo_s
        return "NOT KEPT: too much would be lost" if late else "NOT KEPT: it takes too long"


def standings(
    tx: Transaction,
    policy: Policy,
    now: datetime,
    reached: Mapping[TargetId, int],
    *,
    keys_copied: bool,
) -> list[Standing]:
    """Every class; ``reached`` says how far the targets are that are being watched.

    With ``keys_copied`` a second copy has every key before it is used.
    """
    lost, drills = _lost_s(tx, now, reached), register.last_drills(tx)
    back, keys = _newest(drills, _WHOLE_LAB), _newest(drills, _KEYS)
    keys_lost = 0.0 if keys_copied else None
    sizes = _sizes(tx)
    found = []
    for name in CLASSES:
        rpo, drill = (keys_lost, keys) if name == "keys" else (lost, back)
        if name == "cache":  # made again from what the others bring back
            rpo = 0.0
        rto = None if drill is None or drill.rto_ms is None else drill.rto_ms / 1000
        found.append(Standing(name, policy.objectives[name], rpo, rto, sizes.get(name, 0)))
    return found


def _lost_s(tx: Transaction, now: datetime, reached: Mapping[TargetId, int]) -> float | None:
    """How old the oldest change is that the best target lacks."""
    ages = []
    for known in register.targets(tx):
        last = register.last_save(tx, known.target)
        size = max(last.size if last else 0, reached.get(known.target, 0))
        if not size:
            continue
        since = register.behind(tx, size).since
        age = now - datetime.fromisoformat(since) if since else now - now
        ages.append(age.total_seconds())
    return min(ages, default=None)


def _newest(
    drills: Mapping[str, register.LastDrill], scenarios: tuple[str, ...]
) -> register.LastDrill | None:
    done = [drills[name] for name in scenarios if name in drills]
    passed = [one for one in done if one.outcome == "passed"]
    return max(passed, key=lambda one: one.time, default=None)


def _sizes(tx: Transaction) -> dict[str, int]:
    def total(sql: str) -> int:
        return int(tx.query(sql)[0][0] or 0)

    placed = "SELECT SUM(size_bytes) FROM placement WHERE blob >= '{0}/' AND blob < '{0}0'"
    return {
        "raw": total(placed.format("raw")),
        "derived": total(placed.format("derived")),
        "metadata": total("SELECT SUM(LENGTH(leaf)) FROM ledger_leaf"),
        "endpoint": total("SELECT SUM(size) FROM model"),
    }
