"""The history of a metric: all of it page by page, or thinned out to what a chart can show."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from cloister.core.events import Row, Transaction
from cloister.tracking.points import LEVELS, RATIO, Point

_MOST_READ = RATIO + 1
"""Rows read, for each that is given, before another level of thinning is used."""


def page(tx: Transaction, run: str, metric: str, offset: int, most: int | None) -> list[Point]:
    """Points in order of time, step and value, from ``offset`` on."""
    rows = tx.query(
        "SELECT value, nan, time_ms, step FROM track_point WHERE series ="
        " (SELECT series FROM track_series WHERE run = ? AND metric = ?)"
        " ORDER BY time_ms, step, value, nan LIMIT ? OFFSET ?",
        (run, metric, 1 << 62 if most is None else most, offset),
    )
    return [_point(metric, row) for row in rows]


def thinned(
    tx: Transaction, run: str, metric: str, most: int, between: tuple[int, int] | None = None
) -> list[Point]:
    """At most ``most`` points in order of step, evenly spread, with the first and the last.

    Reads a few rows for each that it gives, however many were logged, as long as all steps
    are asked for; a range of steps that holds few points of a long series costs a pass over it.
    """
    found = tx.query(
        "SELECT series, points FROM track_series WHERE run = ? AND metric = ?", (run, metric)
    )
    if not found:
        return []
    series, count = found[0]
    limit = most * _MOST_READ
    rows = _sparse(tx, series, count, limit, between)
    if rows is None:
        return _spread_points(metric, _all(tx, series, between), most)
    return _spread_points(metric, _with_ends(tx, series, rows, between), most)


def _sparse(
    tx: Transaction, series: int, count: int, limit: int, between: tuple[int, int] | None
) -> list[Row] | None:
    """The finest level that holds no more than ``limit`` in the range; None where all fit."""
    if count <= limit:
        return None
    condition, bounds = _range(between)
    coarse: list[Row] | None = None
    levels = [level for level in range(1, LEVELS + 1) if count // RATIO**level > 0]
    if between is None:  # then it is known how many each holds
        levels = [one for one in levels if count // RATIO**one <= limit][:1]
    for level in reversed(levels):
        rows = tx.query(
            "SELECT value, nan, time_ms, step FROM track_thinned WHERE series = ?"  # noqa: S608
            f" AND level = ?{condition} ORDER BY step, time_ms, value, nan LIMIT ?",
            (series, level, *bounds, limit + 1),
        )
        if len(rows) > limit:
            return coarse if coarse is not None else rows[:limit]
        coarse = rows
    # Even the finest level holds few of this range: all its points do not cost much more.
    if coarse is not None and len(coarse) * RATIO > limit:
        return coarse
    return None


def _all(tx: Transaction, series: int, between: tuple[int, int] | None) -> list[Row]:
    condition, bounds = _range(between)
    return tx.query(
        "SELECT value, nan, time_ms, step FROM track_point WHERE series = ?"  # noqa: S608
        f"{condition} ORDER BY step, time_ms, value, nan",
        (series, *bounds),
    )


def _with_ends(
    tx: Transaction, series: int, rows: list[Row], between: tuple[int, int] | None
) -> list[Row]:
    """Adds the first and the last point, which thinning need not have kept."""
    if between is not None:
        first, last = _edge(tx, series, between, "ASC"), _edge(tx, series, between, "DESC")
    else:
        first = tx.query(
            "SELECT value, nan, time_ms, step FROM track_point WHERE series = ?"
            " ORDER BY time_ms, step, value, nan LIMIT 1",
            (series,),
        )
        last = tx.query(
            "SELECT value, nan, time_ms, step FROM track_series WHERE series = ?", (series,)
        )
    if first and (not rows or _order(first[0]) < _order(rows[0])):
        rows = [*first, *rows]
    if last and _order(last[0]) > _order(rows[-1]):
        rows = [*rows, *last]
    return rows


def _edge(tx: Transaction, series: int, between: tuple[int, int], direction: str) -> list[Row]:
    names = ("step", "time_ms", "value", "nan")
    order = ", ".join(f"{name} {direction}" for name in names)
    return tx.query(
        "SELECT value, nan, time_ms, step FROM track_point WHERE series = ?"  # noqa: S608
        f" AND step BETWEEN ? AND ? ORDER BY {order} LIMIT 1",
        (series, *between),
    )


def _range(between: tuple[int, int] | None) -> tuple[str, tuple[int, ...]]:
    return ("", ()) if between is None else (" AND step BETWEEN ? AND ?", between)


def _spread(rows: Sequence[Row], most: int) -> list[Row]:
    """Evenly chosen by rank, both ends kept; the last alone where only one may be given."""
    if len(rows) <= most:
        return list(rows)
    if most == 1:
        return [rows[-1]]
    last = len(rows) - 1
    return [rows[place * last // (most - 1)] for place in range(most)]


def _spread_points(metric: str, rows: Sequence[Row], most: int) -> list[Point]:
    return [_point(metric, row) for row in _spread(rows, most)]


def _order(row: Row) -> tuple[int, int, float, int]:
    value, nan, time_ms, step = row
    return step, time_ms, value, nan


def _point(metric: str, row: Row) -> Point:
    value, nan, time_ms, step = row
    return Point(metric, math.nan if nan else value, time_ms, step)


def since(tx: Transaction, run: str, metric: str, time_ms: int, most: int) -> list[Point]:
    """Up to ``most`` points after that time, in order of time: what a chart lacks by now.

    Costs what it gives, however long the series is.
    """
    rows = tx.query(
        "SELECT value, nan, time_ms, step FROM track_point WHERE series ="
        " (SELECT series FROM track_series WHERE run = ? AND metric = ?) AND time_ms > ?"
        " ORDER BY time_ms, step, value, nan LIMIT ?",
        (run, metric, time_ms, most),
    )
    return [_point(metric, row) for row in rows]


def everything(tx: Transaction, run: str) -> Iterator[Point]:
    """All points of a run, metric by metric, in order of time."""
    for series, metric in tx.query(
        "SELECT series, metric FROM track_series WHERE run = ? ORDER BY metric", (run,)
    ):
        for row in tx.iterate(
            "SELECT value, nan, time_ms, step FROM track_point WHERE series = ?"
            " ORDER BY time_ms, step, value, nan",
            (series,),
        ):
            yield _point(metric, row)
