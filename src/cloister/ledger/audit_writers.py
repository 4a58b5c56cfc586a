"""Which event wrote a row last: found by replaying once more, with triggers that watch."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from cloister.core.errors import CloisterError
from cloister.core.events import Projection, Recorded, SqlValue, Transaction
from cloister.db import Migration, scratch_database, table_layout
from cloister.ledger.projecting import project

Place = tuple[str, tuple[SqlValue, ...]]
"""A table, and a row's primary key."""

_WATCH = """
CREATE TRIGGER "audit {table} {verb}" AFTER {verb} ON "{table}" BEGIN
    DELETE FROM audit_writer WHERE name = '{table}' AND key = {key};
    INSERT INTO audit_writer (name, key, event)
    VALUES ('{table}', {key}, (SELECT event FROM audit_now));
END
"""


def last_writers(
    events: Iterable[Recorded],
    places: Collection[Place],
    projections: Mapping[str, Projection],
    migrations: Sequence[Migration],
) -> dict[Place, int]:
    """The last event that inserted, changed or deleted each row; none did where it lacks."""
    with scratch_database(migrations) as scratch:
        scratch.execute("CREATE TABLE audit_now (event INTEGER)")
        scratch.execute("INSERT INTO audit_now (event) VALUES (-1)")
        scratch.execute(
            "CREATE TABLE audit_writer (name TEXT, key TEXT, event INTEGER, "
            "PRIMARY KEY (name, key))"
        )
        for table in sorted({table for table, _ in places}):
            _watch(scratch, table)
        for recorded in events:
            scratch.execute("UPDATE audit_now SET event = ?", (recorded.index,))
            try:
                project(scratch, [recorded], projections)
            except CloisterError:
                break  # reported by the first replay already
        found = {place: _writer(scratch, place) for place in places}
    return {place: event for place, event in found.items() if event is not None}


def _watch(scratch: Transaction, table: str) -> None:
    key = table_layout(scratch, table).key
    for verb, side in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")):
        text = " || ',' || ".join(f'quote({side}."{column}")' for column in key)
        scratch.execute(_WATCH.format(table=table, verb=verb, key=text))


def _writer(scratch: Transaction, place: Place) -> int | None:
    table, key = place
    text = " || ',' || ".join("quote(?)" for _ in key)
    rows = scratch.query(
        f"SELECT event FROM audit_writer WHERE name = ? AND key = {text}",  # noqa: S608 - marks
        (table, *key),
    )
    return int(rows[0][0]) if rows else None
