"""Numbered steps that bring a database to the form this program expects."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from cloister.core.canonical import canonical
from cloister.core.errors import BadInput, DatabaseDamaged
from cloister.core.events import Transaction

TABLE = """
CREATE TABLE IF NOT EXISTS migration (
    package TEXT NOT NULL,
    number INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    PRIMARY KEY (package, number)
)
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of one package; once released it never changes."""

    package: str
    number: int
    """1, 2, 3... within its package."""
    statements: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """What the database remembers of it."""
        return hashlib.sha256(canonical(self.statements)).hexdigest()


def migrate(transaction: Transaction, migrations: Sequence[Migration]) -> None:
    """Applies what is missing, in the order given; raises as ``pending`` does."""
    transaction.execute(TABLE)
    for step in pending(transaction, migrations):
        for statement in step.statements:
            transaction.execute(statement)
        transaction.execute(
            "INSERT INTO migration (package, number, sha256) VALUES (?, ?, ?)",
            (step.package, step.number, step.sha256),
        )


def applied_steps(transaction: Transaction) -> int:
    """How many steps the database holds; 0 for one that was just made."""
    if not transaction.query("SELECT 1 FROM sqlite_master WHERE name = 'migration'"):
        return 0
    return int(transaction.query("SELECT COUNT(*) FROM migration")[0][0])


def held(transaction: Transaction, migrations: Sequence[Migration]) -> Sequence[Migration]:
    """Those of ``migrations`` that the database holds, in their order."""
    rows = transaction.query("SELECT package, number FROM migration")
    there = {(package, number) for package, number in rows}
    return [step for step in migrations if (step.package, step.number) in there]


def pending(transaction: Transaction, migrations: Sequence[Migration]) -> list[Migration]:
    """What the database still lacks.

    Raises BadInput if it holds steps this program does not know, and DatabaseDamaged if a
    step it holds is not the one this program knows by that number.
    """
    _check_numbers(migrations)
    rows = transaction.query("SELECT package, number, sha256 FROM migration")
    applied = {(package, number): sha256 for package, number, sha256 in rows}
    known = {(step.package, step.number): step for step in migrations}
    if unknown := sorted(applied.keys() - known.keys()):
        package, number = unknown[0]
        raise BadInput(
            f"the database holds migration {package} {number}, which this program lacks",
            hint="it was written by a newer version of Cloister: install that version",
        )
    for place, sha256 in applied.items():
        if known[place].sha256 != sha256:
            raise DatabaseDamaged(
                f"migration {place[0]} {place[1]} of the database is not the released one: "
                f"expected {known[place].sha256}, found {sha256}",
                hint="a version before the first release wrote it, or somebody changed it: read"
                " the data with the version that wrote it (`get`), and add them to a new lab",
            )
    return [step for step in migrations if (step.package, step.number) not in applied]


def _check_numbers(migrations: Sequence[Migration]) -> None:
    last: dict[str, int] = {}
    for step in migrations:
        if step.number != last.get(step.package, 0) + 1:
            raise ValueError(f"migrations of {step.package} must be numbered 1, 2, 3...")
        last[step.package] = step.number
