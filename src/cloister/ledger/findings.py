"""What an audit reports."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class FindingKind(StrEnum):
    """Which comparison failed."""

    HEAD = "head"
    """The signed head: missing, not signed by the trusted key, or of other entries."""
    ENTRY = "entry"
    """An entry: altered, missing, beyond the head, or not replayable."""
    NODE = "node"
    """A stored hash of the tree."""
    ROW = "row"
    """A projected row: altered, missing, or written by no event."""
    TABLE = "table"
    """A table, index, view or trigger that is not what the migrations make."""
    FILE = "file"
    """The database file: pages, or an index that does not match its table."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not what was signed."""

    kind: FindingKind
    message: str
    event: int | None = None
    """The entry concerned; for a row, the event that wrote it last."""
    table: str | None = None
    key: tuple[object, ...] | None = None
    """The row's primary key."""


@dataclass(frozen=True, slots=True)
class AuditReport:
    """The outcome: sound if nothing was found.

    An audit compares the lab with itself and with the log key. Whoever holds that key can
    rewrite all of it: only remembered heads and witnesses tell, see `check_head`.
    """

    events: int
    rows: int
    """Compared, over all tables; 0 when only the log was asked for."""
    seconds: float
    findings: tuple[Finding, ...]
    """The first of each kind and table come first; at most `LARGEST` of each are listed."""
    found: int
    """How many there were."""
    warnings: tuple[str, ...] = ()
    """No damage, but worth knowing: a clock that was set back."""

    @property
    def sound(self) -> bool:
        """Whether everything is what was signed."""
        return self.found == 0


LARGEST = 20


@dataclass(slots=True)
class Findings:
    """Collects findings, counting what it does not list."""

    listed: list[Finding] = field(default_factory=list)
    count: int = 0
    warnings: list[str] = field(default_factory=list)
    _of: dict[tuple[FindingKind, str | None], int] = field(default_factory=dict)

    def add(self, finding: Finding) -> None:
        """Lists it, unless there are enough of its kind and table."""
        place = (finding.kind, finding.table)
        self.count += 1
        self._of[place] = self._of.get(place, 0) + 1
        if self._of[place] <= LARGEST:
            self.listed.append(finding)

    def warn(self, message: str) -> None:
        """Lists a warning, unless there are enough."""
        if len(self.warnings) < LARGEST:
            self.warnings.append(message)
