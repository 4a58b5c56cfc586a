"""Points of metrics: packed in their event, one narrow row each, and thinned out for charts."""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from cloister.core.encoding import to_bytes, to_text
from cloister.core.errors import BadInput
from cloister.core.events import Row, SqlValue, Statement, Transaction
from cloister.tracking import limits
from cloister.tracking.selecting import holding, rows_of

SCHEMA = (
    "CREATE TABLE track_series (series INTEGER PRIMARY KEY, run TEXT NOT NULL,"
    " metric TEXT NOT NULL, points INTEGER NOT NULL, step INTEGER NOT NULL,"
    " time_ms INTEGER NOT NULL, value DOUBLE PRECISION NOT NULL, nan INTEGER NOT NULL)",
    "CREATE UNIQUE INDEX track_series_run ON track_series (run, metric)",
    "CREATE TABLE track_point (series INTEGER NOT NULL, time_ms INTEGER NOT NULL,"
    " step INTEGER NOT NULL, value DOUBLE PRECISION NOT NULL, nan INTEGER NOT NULL,"
    " PRIMARY KEY (series, time_ms, step, value, nan)) WITHOUT ROWID",
    "CREATE TABLE track_thinned (series INTEGER NOT NULL, level INTEGER NOT NULL,"
    " step INTEGER NOT NULL, time_ms INTEGER NOT NULL, value DOUBLE PRECISION NOT NULL,"
    " nan INTEGER NOT NULL, PRIMARY KEY (series, level, step, time_ms, value, nan))"
    " WITHOUT ROWID",
)
RATIO = 4
"""Each level of thinning keeps every fourth point of the one below."""
LEVELS = 12
_POINT = struct.Struct("<Hdqq")
_SERIES_SQL = """
    INSERT INTO track_series (series, run, metric, points, step, time_ms, value, nan)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (series) DO UPDATE SET
    points = CASE WHEN excluded.points > track_series.points
             THEN excluded.points ELSE track_series.points END,
    step = CASE WHEN {later} THEN excluded.step ELSE track_series.step END,
    time_ms = CASE WHEN {later} THEN excluded.time_ms ELSE track_series.time_ms END,
    value = CASE WHEN {later} THEN excluded.value ELSE track_series.value END,
    nan = CASE WHEN {later} THEN excluded.nan ELSE track_series.nan END
""".replace(
    "{later}",
    "(excluded.step, excluded.time_ms, excluded.value, excluded.nan)"
    " > (track_series.step, track_series.time_ms, track_series.value, track_series.nan)",
)
_POINT_SQL = "INSERT INTO track_point (series, time_ms, step, value, nan) VALUES "
_THINNED_SQL = "INSERT INTO track_thinned (series, level, step, time_ms, value, nan) VALUES "
_LATEST = "run, metric, CASE nan WHEN 0 THEN value END, time_ms, step"
_MOST_ROWS = 128  # of one statement: a power of two, so that few different texts are prepared


class Point(NamedTuple):
    """One value of one metric."""

    metric: str
    value: float
    time_ms: int
    step: int


class Place(NamedTuple):
    """Where the points of one metric of a run go."""

    series: int
    first: int
    """How many it has already."""
    metric: str


class Latest(NamedTuple):
    """The newest value of a metric: of the greatest step, then time, then value."""

    run: str
    metric: str
    value: float
    time_ms: int
    step: int


def check(points: Sequence[Point]) -> None:
    """Raises BadInput for a name, time or step that MLflow's server refuses."""
    for metric, _, time_ms, step in points:
        limits.check_name(metric, "metric name")
        if not 0 <= time_ms < limits.INT64:
            raise BadInput(
                f"Invalid timestamp of metric '{metric}': it must be a nonnegative long"
            )
        if not -limits.INT64 <= step < limits.INT64:
            raise BadInput(f"Invalid step of metric '{metric}': it must be a valid long")


def places(tx: Transaction, asked: Sequence[tuple[str, Sequence[Point]]]) -> list[list[Place]]:
    """Where the points of each (run, points) go, as if they were logged one after another.

    In order of the first of each metric; new series are numbered.
    """
    counts = [Counter([point.metric for point in some]) for _, some in asked]
    known = _known(
        tx, [(run, tuple(each)) for (run, _), each in zip(asked, counts, strict=True)]
    )
    wanted = (
        (run, metric) for (run, _), each in zip(asked, counts, strict=True) for metric in each
    )
    fresh = 0
    if any(one not in known for one in wanted):
        fresh = tx.query("SELECT COALESCE(MAX(series), 0) FROM track_series")[0][0]
    found = []
    for (run, _), each in zip(asked, counts, strict=True):
        at = []
        for metric, count in each.items():
            place = known.get((run, metric))
            if place is None:
                fresh += 1
                place = Place(fresh, 0, metric)
            at.append(place)
            known[run, metric] = place._replace(first=place.first + count)
        found.append(at)
    return found


def _known(
    tx: Transaction, wanted: Sequence[tuple[str, tuple[str, ...]]]
) -> dict[tuple[str, str], Place]:
    """The series that runs have of these metrics; one query for runs that want the same."""
    alike: dict[tuple[str, ...], set[str]] = {}
    for run, metrics in wanted:
        if metrics:
            alike.setdefault(metrics, set()).add(run)
    found = {}
    for metrics, of in alike.items():
        rows = tx.query(
            "SELECT run, metric, series, points FROM track_series"  # noqa: S608
            f" WHERE run IN ({', '.join('?' * len(of))})"
            f" AND metric IN ({', '.join('?' * len(metrics))})",
            (*of, *metrics),
        )
        for run, metric, series, points in rows:
            found[run, metric] = Place(series, points, metric)
    return found


def body(at: Sequence[Place], points: Sequence[Point]) -> dict[str, Any]:
    """The fields of an event that say where points go, and the points, packed."""
    number = {place.metric: place_number for place_number, place in enumerate(at)}
    pack = _POINT.pack
    packed = b"".join(
        [pack(number[metric], value, time_ms, step) for metric, value, time_ms, step in points]
    )
    return {"points": to_text(packed), "series": [list(place) for place in at]}


def written(run: str, fields: dict[str, Any]) -> Iterator[Statement]:
    """The rows of the points in an event; they commute with those of any other event."""
    at = [Place(*place) for place in fields["series"]]
    counts = [place.first for place in at]
    latest: list[tuple[int, int, float, int] | None] = [None] * len(at)
    rows: list[SqlValue] = []
    thinned: list[SqlValue] = []
    for number, value, time_ms, step in _POINT.iter_unpack(to_bytes(fields["points"])):
        nan = 0
        if value != value:  # noqa: PLR0124 - NaN, which no index holds
            value, nan = 0.0, 1  # noqa: PLW2901
        series = at[number].series
        rows += (series, time_ms, step, value, nan)
        key = (step, time_ms, value, nan)
        before = latest[number]
        if before is None or key > before:
            latest[number] = key
        counts[number] += 1
        if counts[number] % RATIO == 0:
            for level in _levels(counts[number]):
                thinned += (series, level, step, time_ms, value, nan)
    yield from _many(_POINT_SQL, rows, 5)
    yield from _many(_THINNED_SQL, thinned, 6)
    for place, count, key_of in zip(at, counts, latest, strict=True):
        if key_of is not None:
            step, time_ms, value, nan = key_of
            yield Statement(
                _SERIES_SQL,
                (place.series, run, place.metric, count, step, time_ms, value, nan),
            )


def _levels(count: int) -> Iterator[int]:
    """The levels that keep the point which makes ``count``."""
    level = 1
    while level <= LEVELS and count % RATIO**level == 0:
        yield level
        level += 1


def _many(sql: str, values: list[SqlValue], width: int) -> Iterator[Statement]:
    """Few statements of many rows: one of a row each would cost more than the rows."""
    at, left = 0, len(values) // width
    while left:
        rows = min(_MOST_ROWS, 1 << (left.bit_length() - 1))
        mark = "(" + ", ".join("?" * width) + ")"
        marks = ", ".join([mark] * rows)
        end = at + rows * width
        yield Statement(f"{sql}{marks} ON CONFLICT DO NOTHING", tuple(values[at:end]))
        at, left = end, left - rows


def latest(tx: Transaction, runs: Sequence[str]) -> list[Latest]:
    """The newest value of every metric of these runs."""
    rows = rows_of(
        tx,
        f"SELECT {_LATEST} FROM track_series"  # noqa: S608
        " WHERE run IN (...) ORDER BY run, metric",
        runs,
    )
    return [_latest(row) for row in rows]


class Series(NamedTuple):
    """A metric of a run, without its points."""

    metric: str
    points: int
    value: float
    time_ms: int
    step: int


def series_of(
    tx: Transaction, run: str, contains: str, window: tuple[int, int]
) -> tuple[list[Series], int]:
    """The metrics of a run whose names hold ``contains`` in either case: those of the
    ``window`` (offset, most) by name, and how many there are."""
    like = holding(contains)
    where = "run = ? AND LOWER(metric) LIKE ? ESCAPE '\\'"
    rows = tx.query(
        f"SELECT metric, points, value, nan, time_ms, step FROM track_series WHERE {where}"  # noqa: S608
        " ORDER BY metric LIMIT ? OFFSET ?",
        (run, like, window[1], window[0]),
    )
    total = tx.query(f"SELECT COUNT(*) FROM track_series WHERE {where}", (run, like))  # noqa: S608
    found = [
        Series(metric, count, math.nan if nan else value, time_ms, step)
        for metric, count, value, nan, time_ms, step in rows
    ]
    return found, int(total[0][0])


def counts(tx: Transaction, run: str, metrics: Sequence[str]) -> dict[str, int]:
    """How many points these metrics of a run have; those it lacks are left out."""
    marks = ", ".join("?" * len(metrics))
    sql = f"SELECT metric, points FROM track_series WHERE run = ? AND metric IN ({marks})"  # noqa: S608
    return dict(tx.query(sql, (run, *metrics)))


def latest_named(tx: Transaction, runs: Sequence[str], metrics: Sequence[str]) -> list[Latest]:
    """The newest values of these metrics of these runs, however many others they have."""
    if not runs or not metrics:
        return []
    rows = tx.query(
        f"SELECT {_LATEST} FROM track_series"  # noqa: S608
        f" WHERE run IN ({', '.join('?' * len(runs))})"
        f" AND metric IN ({', '.join('?' * len(metrics))}) ORDER BY run, metric",
        (*runs, *metrics),
    )
    return [_latest(row) for row in rows]


def _latest(row: Row) -> Latest:
    found = Latest._make(row)
    return found._replace(value=math.nan) if row[2] is None else found


def forget(run: str) -> Iterator[Statement]:
    """The writes that remove every point of a run."""
    mine = "(SELECT series FROM track_series WHERE run = ?)"
    yield Statement(f"DELETE FROM track_point WHERE series IN {mine}", (run,))  # noqa: S608
    yield Statement(f"DELETE FROM track_thinned WHERE series IN {mine}", (run,))  # noqa: S608
    yield Statement("DELETE FROM track_series WHERE run = ?", (run,))
