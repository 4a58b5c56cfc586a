"""What a script wrote beside its numbers: parameters, which stay; tags, which may change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cloister.core.errors import BadInput
from cloister.core.events import Statement, Transaction
from cloister.tracking import limits
from cloister.tracking.selecting import rows_of

SCHEMA = (
    "CREATE TABLE track_param (run TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL,"
    " PRIMARY KEY (run, name)) WITHOUT ROWID",
    "CREATE TABLE track_tag (run TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL,"
    " place INTEGER NOT NULL, PRIMARY KEY (run, name)) WITHOUT ROWID",
)
RUN_NAME = "mlflow.runName"
"""The tag under which MLflow keeps a run's name."""
_TABLE = {"param": "track_param", "tag": "track_tag"}
_PARAM = "INSERT INTO track_param (run, name, value) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
# The event's place decides, for tags of neighbouring events may be written in any order.
_TAG = """
    INSERT INTO track_tag (run, name, value, place) VALUES (?, ?, ?, ?)
    ON CONFLICT (run, name) DO UPDATE SET value = excluded.value, place = excluded.place
    WHERE excluded.place >= track_tag.place
"""


class Note(NamedTuple):
    """A parameter or a tag."""

    name: str
    value: str


def check_params(params: Sequence[Note]) -> None:
    """Raises BadInput for a name or value that is refused, or a name that comes twice."""
    for name, value in params:
        limits.check_name(name, "param key")
        limits.check_text(value, "param value", limits.PARAM_CHARS)
    if (twice := limits.first_twice(name for name, _ in params)) is not None:
        raise BadInput(f"Duplicate parameter keys have been submitted: {twice}")


def check_tags(tags: Sequence[Note]) -> None:
    """Raises BadInput for a name or value that is refused."""
    for name, value in tags:
        limits.check_name(name, "tag key")
        limits.check_text(value, "tag value", limits.TAG_CHARS)


def unlogged(tx: Transaction, run: str, params: Sequence[Note]) -> list[Note]:
    """Those that are new; raises BadInput for one that would change: a parameter stays."""
    if not params:
        return []
    marks = ", ".join("?" * len(params))
    known: dict[str, str] = dict(
        tx.query(
            f"SELECT name, value FROM track_param WHERE run = ? AND name IN ({marks})",  # noqa: S608
            (run, *(name for name, _ in params)),
        )
    )
    for name, value in params:
        if known.get(name, value) != value:
            raise BadInput(
                "Changing param values is not allowed. Param with key="
                f"'{name}' was already logged with another value for run ID='{run}'",
                hint="start a new run, or a nested one, for each set of parameters",
            )
    return [note for note in params if note.name not in known]


def last_of_each(tags: Sequence[Note]) -> list[Note]:
    """Of tags of one name the last, as if they had been set one after another."""
    return [Note(name, value) for name, value in dict(tags).items()]


def written(
    place: int, run: str, params: Sequence[Sequence[str]], tags: Sequence[Sequence[str]]
) -> Iterator[Statement]:
    """The rows of the parameters and tags in an event."""
    for name, value in params:
        yield Statement(_PARAM, (run, name, value))
    for name, value in tags:
        yield tag(place, run, name, value)


def tag(place: int, run: str, name: str, value: str) -> Statement:
    """The row of one tag."""
    return Statement(_TAG, (run, name, value, place))


def has_tag(tx: Transaction, run: str, name: str) -> bool:
    """Whether the run has a tag of that name."""
    return bool(tx.query("SELECT 1 FROM track_tag WHERE run = ? AND name = ?", (run, name)))


def params(tx: Transaction, runs: Sequence[str]) -> list[tuple[str, str, str]]:
    """(run, name, value) of all parameters of these runs."""
    return _of(tx, runs, "track_param")


def tags(tx: Transaction, runs: Sequence[str]) -> list[tuple[str, str, str]]:
    """(run, name, value) of all tags of these runs."""
    return _of(tx, runs, "track_tag")


def named(
    tx: Transaction, kind: str, runs: Sequence[str], names: Sequence[str]
) -> list[tuple[str, str, str]]:
    """(run, name, value) of these parameters (``param``) or tags (``tag``) of these runs."""
    if not runs or not names:
        return []
    return tx.query(
        f"SELECT run, name, value FROM {_TABLE[kind]}"  # noqa: S608
        f" WHERE run IN ({', '.join('?' * len(runs))})"
        f" AND name IN ({', '.join('?' * len(names))}) ORDER BY run, name",
        (*runs, *names),
    )


def _of(tx: Transaction, runs: Sequence[str], table: str) -> list[tuple[str, str, str]]:
    sql = f"SELECT run, name, value FROM {table} WHERE run IN (...) ORDER BY run, name"  # noqa: S608
    return rows_of(tx, sql, runs)


def forget(run: str) -> Iterator[Statement]:
    """The writes that remove every parameter and tag of a run."""
    yield Statement("DELETE FROM track_param WHERE run = ?", (run,))
    yield Statement("DELETE FROM track_tag WHERE run = ?", (run,))
