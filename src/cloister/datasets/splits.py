"""Subject-wise splits: a patient is in one part, whatever names and files the patient has."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from cloister.core.errors import BadInput, NotFound
from cloister.core.events import Recorded, Statement, Transaction
from cloister.datasets.versions import check_name

SCHEMA = (
    "CREATE TABLE split (dataset TEXT NOT NULL, name TEXT NOT NULL, seed INTEGER NOT NULL,"
    " parts TEXT NOT NULL, idx INTEGER NOT NULL, PRIMARY KEY (dataset, name))",
)
_WHOLE = 1000


@dataclass(frozen=True, slots=True)
class Split:
    """Named parts of a dataset, in thousandths, dealt out by subject."""

    name: str
    seed: int
    parts: tuple[tuple[str, int], ...]
    """(part, thousandths), summing to 1000."""

    def part_of(self, patient: str) -> str:
        """Where the patient whose smallest pseudonym is ``patient`` belongs.

        A hash decides, so new patients never move old ones.
        """
        return self.dealer()(patient)

    def dealer(self) -> Callable[[str], str]:
        """``part_of`` for very many: what is the same for all is done once."""
        begun = hashlib.sha256(f"{self.name}\x00{self.seed}\x00".encode())
        names = [part for part, _ in self.parts]
        ends = list(accumulate(share for _, share in self.parts))

        def part_of(patient: str) -> str:
            digest = begun.copy()
            digest.update(patient.encode())
            place = int.from_bytes(digest.digest()[:8]) * _WHOLE >> 64
            return names[bisect_right(ends, place)]

        return part_of


def parse_parts(text: str) -> tuple[tuple[str, int], ...]:
    """``train=0.8,test=0.2`` as parts; raises BadInput unless they sum to one."""
    try:
        pairs = [part.split("=") for part in text.split(",")]
        parts = tuple((name.strip(), round(float(share) * _WHOLE)) for name, share in pairs)
    except (ValueError, OverflowError) as error:
        raise BadInput("parts look like train=0.8,test=0.2") from error
    if len({check_name(name) for name, _ in parts}) < len(parts):
        raise BadInput("each part of a split has a name of its own")
    if sum(share for _, share in parts) != _WHOLE or any(share <= 0 for _, share in parts):
        raise BadInput("the parts of a split are positive and sum to 1")
    return parts


def split_defined(recorded: Recorded) -> Iterator[Statement]:
    """A split has a name; its parts never change under that name."""
    body = recorded.event.body
    yield Statement(
        "INSERT INTO split VALUES (?, ?, ?, ?, ?)",
        (
            body["dataset"],
            body["name"],
            body["seed"],
            body["parts"],
            recorded.index,
        ),
    )


def find(tx: Transaction, dataset: str, name: str) -> Split:
    """The split of ``dataset`` with this name; raises NotFound."""
    rows = tx.query(
        "SELECT seed, parts FROM split WHERE dataset = ? AND name = ?", (dataset, name)
    )
    if not rows:
        raise NotFound(
            f"{dataset} has no split named {name}", hint="see `cloister dataset split`"
        )
    return Split(name, rows[0][0], parse_parts(rows[0][1]))


def of_dataset(tx: Transaction, dataset: str) -> list[tuple[Split, int]]:
    """Every split of a dataset, and where the ledger defines it."""
    rows = tx.query(
        "SELECT name, seed, parts, idx FROM split WHERE dataset = ? ORDER BY idx", (dataset,)
    )
    return [(Split(name, seed, parse_parts(parts)), idx) for name, seed, parts, idx in rows]


def assign(
    split: Split, subjects: Sequence[str], patient_of: Mapping[str, str]
) -> dict[str, str]:
    """Subject -> part; ``patient_of`` maps linked names to the patient's smallest pseudonym."""
    part_of = split.dealer()
    return {subject: part_of(patient_of.get(subject, subject)) for subject in subjects}
