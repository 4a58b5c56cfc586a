"""Points as they are stored: docs/formats/tracked-points.md."""

from __future__ import annotations

import math
import random
import struct
from pathlib import Path

from cloister.app.platform import MIGRATIONS
from cloister.core.encoding import to_bytes
from cloister.core.events import Event, Recorded
from cloister.db import Database, open_database
from cloister.tracking import PROJECTIONS, TABLES, points
from cloister.tracking.points import Place, Point

GOLDEN = Path(__file__).parent.parent / "golden/tracked-points-1.hex"


def logged(index: int, at: list[Place], some: list[Point], tags: list[list[str]]) -> Recorded:
    body = {"params": [], "tags": tags, "tracked": "r", **points.body(at, some)}
    return Recorded(index, Event("tracked.logged", "", "", "", body))


def test_points_are_packed_as_the_page_says() -> None:
    at = [Place(1, 0, "a"), Place(2, 5, "b")]
    some = [
        Point("a", math.nan, 7, 0),
        Point("a", 1.5, 7, -1),
        Point("b", -math.inf, 7, 2**63 - 1),
    ]
    body = points.body(at, some)
    packed = to_bytes(body["points"])
    assert packed == bytes.fromhex(GOLDEN.read_text())
    assert body["series"] == [[1, 0, "a"], [2, 5, "b"]]
    number, value, *rest = struct.unpack_from("<Hdqq", packed)
    assert (number, math.isnan(value), rest) == (0, True, [7, 0])


def project(
    database: Database, events: list[Recorded], together: bool
) -> dict[str, list[object]]:
    """The tables after these events, projected one by one or as one run of neighbours."""
    from cloister.ledger.projecting import project as write

    def change(tx: object) -> None:
        for some in [events] if together else [[one] for one in events]:
            write(tx, some, PROJECTIONS)  # type: ignore[arg-type]

    database.write(change)
    with database.read() as tx:
        return {table: sorted(tx.query(f"SELECT * FROM {table}")) for table in TABLES}


def test_neighbouring_events_leave_the_same_rows_however_they_are_grouped() -> None:
    for seed in range(20):
        rng = random.Random(seed)
        events, counts = [], {"a": 0, "b": 0}
        for index in range(12):
            names = rng.sample(["a", "b"], rng.randint(1, 2))
            at = [Place(1 if name == "a" else 2, counts[name], name) for name in names]
            some = [
                Point(rng.choice(names), rng.random(), rng.randint(0, 3), rng.randint(-2, 2))
                for _ in range(rng.randint(1, 150))
            ]
            for point in some:
                counts[point.metric] += 1
            tags = [[f"t{n}", f"{index}"] for n in range(rng.randint(0, 3))]
            events.append(logged(index, at, some, tags))
        databases = [open_database("sqlite::memory:", MIGRATIONS) for _ in range(2)]
        first, second = (
            project(database, events, together=together)
            for database, together in zip(databases, (False, True), strict=True)
        )
        assert first == second
        for database in databases:
            database.close()
