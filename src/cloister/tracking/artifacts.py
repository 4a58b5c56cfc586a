"""Artifacts: files that scripts log, by name; where their sealed bytes are, and whose key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from cloister.core.encoding import to_bytes, to_text
from cloister.core.errors import BadInput, NotFound
from cloister.core.events import Recorded, Statement, Transaction
from cloister.core.ids import CollectionId, KeyId, key_id
from cloister.core.values import KeyGrant, KeyRef
from cloister.tracking.selecting import rows_of

SCHEMA = (
    "CREATE TABLE track_artifact (holder TEXT NOT NULL, path TEXT NOT NULL,"
    " experiment INTEGER NOT NULL, fenced TEXT, object TEXT NOT NULL, size INTEGER NOT NULL,"
    " owner TEXT NOT NULL, seal BLOB NOT NULL, wrap BLOB NOT NULL, placed INTEGER NOT NULL,"
    " PRIMARY KEY (holder, path)) WITHOUT ROWID",
    "CREATE INDEX track_artifact_experiment ON track_artifact (experiment)",
    "CREATE INDEX track_artifact_fenced ON track_artifact (fenced)",
)
COLUMNS = "holder, path, experiment, fenced, object, size, owner, seal, wrap"
_PUT = f"""
    INSERT INTO track_artifact ({COLUMNS}, placed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (holder, path) DO UPDATE SET fenced = excluded.fenced,
    object = excluded.object, size = excluded.size, owner = excluded.owner,
    seal = excluded.seal, wrap = excluded.wrap, placed = excluded.placed
    WHERE excluded.placed >= track_artifact.placed
"""  # noqa: S608 - our own columns
_LONGEST = 1024
_BELOW = "holder = ? AND (path = ? OR (path >= ? AND path < ?))"


class Artifact(NamedTuple):
    """One file that was logged."""

    holder: str
    """What it belongs to: the id of a tracked run, of a logged model or of a trace."""
    path: str
    """Below its holder, with slashes."""
    experiment: int
    fenced: str | None
    """The run of the fence that logged it, under whose key it is; None for any other."""
    object: str
    size_bytes: int
    """Of the plaintext."""
    owner: KeyId
    seal: bytes
    wrap: bytes

    @property
    def key(self) -> KeyRef:
        """What opens it."""
        return KeyRef(self.owner, self.seal, self.wrap)

    def body(self) -> dict[str, Any]:
        """The event body."""
        return {
            "experiment": self.experiment,
            "holder": self.holder,
            "object": self.object,
            "owner": self.owner,
            "path": self.path,
            "run": self.fenced,
            "seal": to_text(self.seal),
            "size": self.size_bytes,
            "wrap": to_text(self.wrap),
        }


class Place(NamedTuple):
    """Where an artifact is logged."""

    holder: str
    path: str
    experiment: int
    fenced: str | None

    def holds(self, name: str, size_bytes: int, grant: KeyGrant) -> Artifact:
        """The artifact there, once its bytes are sealed."""
        return Artifact(*self, name, size_bytes, grant.owner, grant.seal_id, grant.wrap)


class Entry(NamedTuple):
    """One name in a folder."""

    name: str
    is_folder: bool
    size_bytes: int
    """0 for a folder."""


def artifact_logged(recorded: Recorded) -> Iterator[Statement]:
    """A file is there, in place of one of that name."""
    body = recorded.event.body
    yield Statement(
        _PUT,
        (
            body["holder"],
            body["path"],
            body["experiment"],
            body["run"],
            body["object"],
            body["size"],
            body["owner"],
            to_bytes(body["seal"]),
            to_bytes(body["wrap"]),
            recorded.index,
        ),
    )


def artifact_removed(recorded: Recorded) -> Iterator[Statement]:
    """A file, or a folder with all that is in it, is gone."""
    body = recorded.event.body
    where, bound = _below(body["holder"], body["path"])
    yield Statement(f"DELETE FROM track_artifact WHERE {where}", bound)  # noqa: S608


def check_path(path: str) -> None:
    """Raises BadInput for a path that leaves its folder, or that no folder could have."""
    parts = path.split("/")
    if (
        len(path) > _LONGEST
        or "\0" in path
        or "\\" in path
        or any(part in {"", ".", ".."} for part in parts)
    ):
        raise BadInput(
            "Invalid path of an artifact: it is relative, without '..', empty parts or"
            f" backslashes, and at most {_LONGEST} characters long"
        )


def find(tx: Transaction, holder: str, path: str) -> Artifact:
    """The file of that name; raises NotFound."""
    found = at(tx, holder, path)
    if found is None:
        raise NotFound("No such artifact")
    return found


def at(tx: Transaction, holder: str, path: str) -> Artifact | None:
    """The file of that name, if there is one."""
    sql = f"SELECT {COLUMNS} FROM track_artifact WHERE holder = ? AND path = ?"  # noqa: S608
    rows = tx.query(sql, (holder, path))
    return _artifact(rows[0]) if rows else None


def below(tx: Transaction, holder: str, path: str = "") -> list[Artifact]:
    """The file of that name, or everything in the folder of that name, by path."""
    where, bound = _below(holder, path)
    rows = tx.query(
        f"SELECT {COLUMNS} FROM track_artifact WHERE {where} ORDER BY path",  # noqa: S608
        bound,
    )
    return [_artifact(row) for row in rows]


def entries(tx: Transaction, holder: str, path: str = "") -> list[Entry]:
    """What lies directly in a folder, by name; nothing for a file, or where nothing is."""
    found: dict[str, Entry] = {}
    prefix = f"{path}/" if path else ""
    for one in below(tx, holder, path):
        if one.path == path:
            continue
        name, inner, _ = one.path[len(prefix) :].partition("/")
        found[name] = Entry(name, bool(inner), 0 if inner else one.size_bytes)
    return sorted(found.values())


def check_free(tx: Transaction, holder: str, path: str) -> None:
    """Raises BadInput where a folder has that name, or a file the name of a folder above."""
    inside = below(tx, holder, path)
    if any(one.path != path for one in inside):
        raise BadInput("Invalid path of an artifact: there is a folder of that name")
    parts = path.split("/")
    for count in range(1, len(parts)):
        if at(tx, holder, "/".join(parts[:count])) is not None:
            raise BadInput("Invalid path of an artifact: a folder in it is a file")


def of_holders(tx: Transaction, holders: Sequence[str]) -> list[Artifact]:
    """What belongs to any of these, by holder and path."""
    sql = f"SELECT {COLUMNS} FROM track_artifact WHERE holder IN (...) ORDER BY holder, path"  # noqa: S608
    return [_artifact(row) for row in rows_of(tx, sql, holders)]


def named(tx: Transaction, holders: Sequence[str], path: str) -> list[Artifact]:
    """The file of that name of each of these, where there is one."""
    assert "'" not in path  # our own word
    sql = f"SELECT {COLUMNS} FROM track_artifact WHERE path = '{path}' AND holder IN (...)"  # noqa: S608
    return [_artifact(row) for row in rows_of(tx, sql, holders)]


def extent(tx: Transaction, holder: str) -> tuple[int, int]:
    """How many files a holder has, and how many bytes those hold together."""
    rows = tx.query(
        "SELECT COUNT(*), COALESCE(SUM(size), 0) FROM track_artifact WHERE holder = ?",
        (holder,),
    )
    return int(rows[0][0]), int(rows[0][1])


def of_fenced(tx: Transaction, fenced: str) -> list[Artifact]:
    """What a run of the fence logged, and what was logged to the runs and models it made."""
    rows = tx.query(
        f"SELECT {COLUMNS} FROM track_artifact WHERE fenced = ?"  # noqa: S608
        " OR holder IN (SELECT run FROM track_run WHERE fenced = ?)"
        " OR holder IN (SELECT model FROM track_model WHERE fenced = ?)"
        " ORDER BY holder, path",
        (fenced, fenced, fenced),
    )
    return [_artifact(row) for row in rows]


def collection_of(tx: Transaction, experiment: int) -> CollectionId | None:
    """Whose key the artifacts are under that no run of the fence logged; None before any."""
    rows = tx.query(
        "SELECT owner FROM track_artifact WHERE experiment = ? AND fenced IS NULL"
        " ORDER BY placed DESC LIMIT 1",
        (experiment,),
    )
    return CollectionId(rows[0][0]) if rows else None


def forget(holder: str) -> Iterator[Statement]:
    """The writes that remove every artifact of a holder."""
    yield Statement("DELETE FROM track_artifact WHERE holder = ?", (holder,))


def _below(holder: str, path: str) -> tuple[str, Sequence[str]]:
    if not path:
        return "holder = ?", (holder,)
    return _BELOW, (holder, path, f"{path}/", f"{path}0")  # 0 is what follows a slash


def _artifact(row: tuple[Any, ...]) -> Artifact:
    return Artifact._make((*row[:6], key_id(row[6]), *row[7:]))
