"""Data classes: how near to a person's name the data of a dataset are.

The order is that of GDPR Art. 4: data about nobody, data about somebody who can be told only
with what is kept apart (Art. 4(5)), data about somebody who can be told from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

from cloister.core.errors import BadInput
from cloister.core.events import Recorded, Statement, Transaction

SCHEMA = (
    "CREATE TABLE data_class (dataset TEXT NOT NULL, idx INTEGER NOT NULL,"
    " class TEXT NOT NULL, why TEXT NOT NULL, PRIMARY KEY (dataset, idx))",
)


class DataClass(StrEnum):
    """From what anybody may see to what names a patient."""

    PUBLIC = "public"
    """Published, and about nobody: a benchmark, a phantom."""
    INTERNAL = "internal"
    """About nobody, and not for outside: anonymous figures, calibration, synthetic data."""
    PSEUDONYMOUS = "pseudonymous"
    """About persons who can be told only with a key that is kept apart."""
    IDENTIFIABLE = "identifiable"
    """About persons who can be told from the data: a name, a face, a burned-in id."""

    @property
    def rank(self) -> int:
        """Its place in the order, from 0."""
        return list(DataClass).index(self)


DEFAULT = DataClass.IDENTIFIABLE
"""Of a dataset that nobody classified: patients' data as they come."""


class Classified(NamedTuple):
    """That a dataset has a class from some entry of the ledger on."""

    dataset: str
    place: int
    data_class: DataClass
    why: str


def data_classified(recorded: Recorded) -> Iterator[Statement]:
    """A dataset is of another class from here on."""
    body = recorded.event.body
    yield Statement(
        "INSERT INTO data_class VALUES (?, ?, ?, ?)",
        (body["dataset"], recorded.index, body["class"], body["why"]),
    )


def parse(text: str) -> DataClass:
    """The class of that name; raises BadInput."""
    try:
        return DataClass(text)
    except ValueError as error:
        raise BadInput(f"no such data class: expected {', '.join(DataClass)}") from error


def highest(found: Iterable[DataClass]) -> DataClass | None:
    """The one nearest to a name; None of none."""
    return max(found, key=lambda one: one.rank, default=None)


def history(tx: Transaction) -> Mapping[str, list[Classified]]:
    """What was said of each dataset, oldest first; those it lacks are of the default."""
    found: dict[str, list[Classified]] = {}
    for dataset, place, name, why in tx.query(
        "SELECT dataset, idx, class, why FROM data_class ORDER BY idx"
    ):
        found.setdefault(dataset, []).append(Classified(dataset, place, DataClass(name), why))
    return found


def of_dataset(tx: Transaction, dataset: str) -> DataClass:
    """The class of a dataset now."""
    rows = tx.query(
        "SELECT class FROM data_class WHERE dataset = ? ORDER BY idx DESC LIMIT 1", (dataset,)
    )
    return DataClass(rows[0][0]) if rows else DEFAULT


def since(said: Iterable[Classified], place: int) -> DataClass:
    """The highest class that a dataset had at an entry of the ledger, or has had since.

    What was made of data while they were thought to name somebody is not lowered with them.
    """
    standing, later = DEFAULT, []
    for one in said:
        if one.place < place:
            standing = one.data_class
        else:
            later.append(one.data_class)
    return max([standing, *later], key=lambda one: one.rank)
