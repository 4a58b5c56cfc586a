"""Registered models: names that stand for versions of models, with aliases, stages and tags."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cloister.core.errors import BadInput, NotFound
from cloister.core.events import Recorded, Statement, Transaction
from cloister.tracking import limits, notes
from cloister.tracking.notes import Note
from cloister.tracking.selecting import rows_of

SCHEMA = (
    "CREATE TABLE track_registered (number INTEGER PRIMARY KEY, project TEXT NOT NULL,"
    " name TEXT NOT NULL, description TEXT NOT NULL, versions INTEGER NOT NULL,"
    " created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL, created INTEGER NOT NULL)",
    "CREATE UNIQUE INDEX track_registered_name ON track_registered (project, name)",
    "CREATE TABLE track_version (number INTEGER NOT NULL, version INTEGER NOT NULL,"
    " fenced TEXT, source TEXT NOT NULL, place TEXT NOT NULL, run TEXT NOT NULL,"
    " run_link TEXT NOT NULL, model TEXT NOT NULL, description TEXT NOT NULL,"
    " stage TEXT NOT NULL, actor TEXT NOT NULL, created_ms INTEGER NOT NULL,"
    " updated_ms INTEGER NOT NULL, PRIMARY KEY (number, version)) WITHOUT ROWID",
    "CREATE INDEX track_version_run ON track_version (run)",
    "CREATE TABLE track_alias (number INTEGER NOT NULL, alias TEXT NOT NULL,"
    " version INTEGER, place INTEGER NOT NULL, PRIMARY KEY (number, alias)) WITHOUT ROWID",
)
NO_STAGE, ARCHIVED = "None", "Archived"
STAGES = (NO_STAGE, "Staging", "Production", ARCHIVED)
_ALIAS = re.compile(r"[\w\-]+")
_VERSION = re.compile(r"v\d+", re.IGNORECASE)
_LONGEST = 256
_DESCRIPTION_CHARS = 100_000
_MODEL = "number, project, name, description, versions, created_ms, updated_ms"
_COLUMNS = (
    "number, version, fenced, source, place, run, run_link, model, description, stage, actor,"
    " created_ms, updated_ms"
)


class Registered(NamedTuple):
    """A name for versions of a model."""

    number: int
    project: str
    name: str
    description: str
    versions: int
    """How many it ever had: no number is given twice."""
    created_ms: int
    updated_ms: int


class Version(NamedTuple):
    """One version of a registered model."""

    number: int
    version: int
    fenced: str | None
    """The run of the fence that made it."""
    source: str
    """What the client said it is made of."""
    place: str
    """Where its files are: an address below the tracking server, where it is one."""
    run: str
    run_link: str
    model: str
    """The logged model that it is; may be empty."""
    description: str
    stage: str
    actor: str
    created_ms: int
    updated_ms: int


class Alias(NamedTuple):
    """A word for one version."""

    number: int
    alias: str
    version: int


def notes_of(number: int, version: int | None = None) -> str:
    """Under what tags are kept: no run can have such an id."""
    return f"registered:{number}" if version is None else f"registered:{number}:{version}"


def created(recorded: Recorded) -> Iterator[Statement]:
    """A name is taken."""
    body = recorded.event.body
    yield Statement(
        f"INSERT INTO track_registered ({_MODEL}, created) VALUES (?, ?, ?, ?, 0, ?, ?, ?)",  # noqa: S608
        (
            *(body["number"], body["project"], body["name"], body["description"]),
            *(body["time_ms"], body["time_ms"], recorded.index),
        ),
    )
    yield from notes.written(recorded.index, notes_of(body["number"]), (), body["tags"])


def changed(recorded: Recorded) -> Iterator[Statement]:
    """It has another name or description."""
    body = recorded.event.body
    yield Statement(
        "UPDATE track_registered SET name = COALESCE(:name, name),"
        " description = COALESCE(:description, description), updated_ms = :time_ms"
        " WHERE number = :number",
        dict(body),
    )


def deleted(recorded: Recorded) -> Iterator[Statement]:
    """It is gone, and every version, alias and tag of it."""
    number = recorded.event.body["number"]
    yield Statement(
        "DELETE FROM track_tag WHERE run = ? OR (run >= ? AND run < ?)",
        (notes_of(number), f"{notes_of(number)}:", f"{notes_of(number)};"),  # ; follows :
    )
    for table in ("track_alias", "track_version", "track_registered"):
        yield Statement(f"DELETE FROM {table} WHERE number = ?", (number,))  # noqa: S608


def tagged(recorded: Recorded) -> Iterator[Statement]:
    """A tag is set on it or on a version of it."""
    body = recorded.event.body
    key = notes_of(body["number"], body["version"])
    yield notes.tag(recorded.index, key, body["name"], body["value"])


def untagged(recorded: Recorded) -> Iterator[Statement]:
    """A tag is taken off it or off a version of it."""
    body = recorded.event.body
    yield Statement(
        "DELETE FROM track_tag WHERE run = ? AND name = ?",
        (notes_of(body["number"], body["version"]), body["name"]),
    )


def aliased(recorded: Recorded) -> Iterator[Statement]:
    """An alias stands for another version, or for none."""
    body = recorded.event.body
    # One statement, decided by the place: neighbouring events may be written in any order.
    yield Statement(
        "INSERT INTO track_alias (number, alias, version, place) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (number, alias) DO UPDATE SET version = excluded.version,"
        " place = excluded.place WHERE excluded.place >= track_alias.place",
        (body["number"], body["alias"], body["version"], recorded.index),
    )
    yield _touched(body["number"], body["time_ms"])


def version_created(recorded: Recorded) -> Iterator[Statement]:
    """A model is a version of it."""
    body = recorded.event.body
    yield Statement(
        f"INSERT INTO track_version ({_COLUMNS})"  # noqa: S608
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(body["number"], body["version"], body["fenced"], body["source"], body["place"]),
            *(body["run"], body["run_link"], body["model"], body["description"], NO_STAGE),
            *(recorded.event.actor, body["time_ms"], body["time_ms"]),
        ),
    )
    yield Statement(
        "UPDATE track_registered SET versions = CASE WHEN versions > ? THEN versions"
        " ELSE ? END, updated_ms = ? WHERE number = ?",
        (body["version"], body["version"], body["time_ms"], body["number"]),
    )
    key = notes_of(body["number"], body["version"])
    yield from notes.written(recorded.index, key, (), body["tags"])


def version_changed(recorded: Recorded) -> Iterator[Statement]:
    """A version has another description or stage."""
    body = recorded.event.body
    yield Statement(
        "UPDATE track_version SET description = COALESCE(?, description),"
        " stage = COALESCE(?, stage), updated_ms = ? WHERE number = ? AND version = ?",
        (
            *(body["description"], body["stage"], body["time_ms"]),
            *(body["number"], body["version"]),
        ),
    )
    yield _touched(body["number"], body["time_ms"])


def version_deleted(recorded: Recorded) -> Iterator[Statement]:
    """A version is gone, and every alias and tag of it."""
    body = recorded.event.body
    key = (body["number"], body["version"])
    yield Statement("DELETE FROM track_tag WHERE run = ?", (notes_of(*key),))
    yield Statement("DELETE FROM track_alias WHERE number = ? AND version = ?", key)
    yield Statement("DELETE FROM track_version WHERE number = ? AND version = ?", key)
    yield _touched(body["number"], body["time_ms"])


def _touched(number: int, time_ms: int) -> Statement:
    return Statement(
        "UPDATE track_registered SET updated_ms = ? WHERE number = ?", (time_ms, number)
    )


def check_name(name: str) -> None:
    """Raises BadInput for a name that MLflow refuses."""
    if not name.strip() or {"/", ":"}.intersection(name) or name in {".", ".."}:
        raise BadInput("Invalid model name: it is empty, or holds '/' or ':'")
    limits.check_text(name, "name", _LONGEST)


def check_alias(alias: str) -> None:
    """Raises BadInput for an alias that MLflow refuses."""
    if not _ALIAS.fullmatch(alias) or len(alias) > _LONGEST:
        raise BadInput(
            "Invalid alias name: it may only contain letters, digits, underscores and dashes"
        )
    if is_latest(alias) or _VERSION.fullmatch(alias):
        raise BadInput("Invalid alias name: 'latest' and version numbers (v1) are reserved")


def is_latest(alias: str) -> bool:
    """Whether it is the one that stands for the newest version by itself."""
    return alias.lower() == "latest"


def check_description(text: str) -> None:
    """Raises BadInput for one that is too long."""
    limits.check_text(text, "description", _DESCRIPTION_CHARS)


def canonical_stage(stage: str) -> str:
    """The stage as MLflow spells it; raises BadInput for none."""
    for known in STAGES:
        if known.lower() == stage.lower():
            return known
    raise BadInput(f"Invalid Model Version stage: expected one of {', '.join(STAGES)}")


def version_number(text: str) -> int:
    """The number that a version's name spells; raises BadInput for anything else."""
    if text.isascii() and text.isdigit() and len(text) <= 15:
        return int(text)
    raise BadInput("Parameter 'version' must be an integer")


def next_number(tx: Transaction) -> int:
    """The number of the next registered model."""
    return int(tx.query("SELECT COALESCE(MAX(number), 0) + 1 FROM track_registered")[0][0])


def named(tx: Transaction, name: str) -> list[Registered]:
    """Those of that name: at most one of each project."""
    rows = tx.query(
        f"SELECT {_MODEL} FROM track_registered WHERE name = ? ORDER BY project",  # noqa: S608
        (name,),
    )
    return [Registered._make(row) for row in rows]


def select(
    tx: Transaction, where: str, order: str, bound: Sequence[str | int | float]
) -> list[Registered]:
    """Those ``g`` for which ``where`` holds, in that order; both are ours."""
    columns = ", ".join(f"g.{column.strip()}" for column in _MODEL.split(","))
    rows = tx.query(
        f"SELECT {columns} FROM track_registered g WHERE {where} ORDER BY {order}",  # noqa: S608
        bound,
    )
    return [Registered._make(row) for row in rows]


def select_versions(
    tx: Transaction, where: str, order: str, bound: Sequence[str | int | float]
) -> list[tuple[Version, str]]:
    """The versions ``v`` of ``g`` for which ``where`` holds, each with its model's name."""
    columns = ", ".join(f"v.{column.strip()}" for column in _COLUMNS.split(","))
    rows = tx.query(
        f"SELECT g.name, {columns} FROM track_version v"  # noqa: S608
        f" JOIN track_registered g ON g.number = v.number WHERE {where} ORDER BY {order}",
        bound,
    )
    return [(Version._make(row[1:]), row[0]) for row in rows]


def version(tx: Transaction, number: int, wanted: int) -> Version | None:
    """One version, if it is there."""
    rows = tx.query(
        f"SELECT {_COLUMNS} FROM track_version WHERE number = ? AND version = ?",  # noqa: S608
        (number, wanted),
    )
    return Version._make(rows[0]) if rows else None


def versions(tx: Transaction, numbers: Sequence[int]) -> list[Version]:
    """All versions of these, newest first."""
    rows = rows_of(
        tx,
        f"SELECT {_COLUMNS} FROM track_version WHERE number IN (...)"  # noqa: S608
        " ORDER BY number, version DESC",
        numbers,
    )
    return [Version._make(row) for row in rows]


def every_version(tx: Transaction) -> list[Version]:
    """All versions of all models, oldest first."""
    rows = tx.query(f"SELECT {_COLUMNS} FROM track_version ORDER BY number, version")  # noqa: S608
    return [Version._make(row) for row in rows]


def aliases(tx: Transaction, numbers: Sequence[int]) -> list[Alias]:
    """All aliases of these."""
    rows = rows_of(
        tx,
        "SELECT number, alias, version FROM track_alias WHERE number IN (...)"
        " AND version IS NOT NULL ORDER BY number, alias",
        numbers,
    )
    return [Alias._make(row) for row in rows]


def aliased_at(tx: Transaction, number: int, alias: str) -> int:
    """Where the ledger has it that the alias stands for its version; 0 where for none."""
    rows = tx.query(
        "SELECT place FROM track_alias WHERE number = ? AND alias = ? AND version IS NOT NULL",
        (number, alias),
    )
    return int(rows[0][0]) if rows else 0


def tags(tx: Transaction, keys: Sequence[str]) -> dict[str, list[Note]]:
    """The tags under each of these keys."""
    found: dict[str, list[Note]] = {key: [] for key in keys}
    for key, name, value in notes.tags(tx, keys):
        found[key].append(Note(name, value))
    return found


def missing(name: str, wanted: int | str | None = None) -> NotFound:
    """The error that says so in MLflow's words; names are not repeated."""
    if wanted is None:
        return NotFound("Registered Model of that name not found")
    return NotFound(f"Model Version (version={wanted}) of that name not found")
