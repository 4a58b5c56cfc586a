"""Events into rows: the same code when they happen and when they are replayed."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence

from cloister.core.errors import BadInput
from cloister.core.events import Parameters, Projection, Recorded, Transaction


def project(
    transaction: Transaction,
    recorded: Sequence[Recorded],
    projections: Mapping[str, Projection],
) -> None:
    """Makes the tables say what the events say; raises BadInput for a type nobody declared.

    Neighbours of one type are written together: all first statements, then all second ones.
    """
    for event_type, run in itertools.groupby(recorded, key=lambda item: item.event.type):
        projection = projections.get(event_type)
        if projection is None:
            raise BadInput(f"no projection is declared for events of type {event_type}")
        _write(transaction, projection, run)


def _write(transaction: Transaction, projection: Projection, run: Iterable[Recorded]) -> None:
    steps: list[dict[str, list[Parameters]]] = []
    for item in run:
        for number, statement in enumerate(projection(item)):
            if number == len(steps):
                steps.append({})
            steps[number].setdefault(statement.sql, []).append(statement.parameters)
    for step in steps:
        for sql, rows in step.items():
            transaction.execute_many(sql, rows)
