"""The engine a database URI names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

from cloister.core.errors import BadInput
from cloister.core.events import Transaction
from cloister.db.database import Database, Weakness
from cloister.db.migrations import Migration
from cloister.db.sqlite import open_sqlite

SQLITE_FILES = ("", "-journal", "-wal", "-shm")
"""What follows the path of a database in the names of its files; journals come and go."""


def open_database(
    uri: str,
    migrations: Sequence[Migration],
    *,
    before_commit: Callable[[Transaction], None] | None = None,
    after_commit: Callable[[], None] | None = None,
    read_only: bool = False,
    on_upgrade: Callable[[str], None] | None = None,
) -> Database:
    """The database at ``uri``, created if missing, brought up to the last migration.

    ``sqlite:/absolute/path.db``, ``sqlite::memory:`` or ``postgresql://user@host/database``.
    ``before_commit`` runs inside every transaction that is about to become durable, and can
    refuse it by raising; ``after_commit`` runs once it is, and must not raise. Before a
    database that an earlier release wrote is changed, a copy of it is put beside it;
    ``on_upgrade`` is told where once the change is made. Raises BadInput for an unknown
    scheme or a database newer than this program, NotFound, NotAllowed, DatabaseDamaged,
    DatabaseDown.
    """
    scheme, _, place = uri.partition(":")
    if scheme == "postgresql" and place:
        database: Database = _postgresql().open_postgresql(
            uri,
            migrations,
            before_commit=before_commit,
            after_commit=after_commit,
            read_only=read_only,
            on_upgrade=on_upgrade,
        )
        return database
    if scheme != "sqlite" or not place:
        raise BadInput(
            f"no database engine for {scheme!r}: expected sqlite:/path.db or postgresql://..."
        )
    return open_sqlite(
        place,
        migrations,
        before_commit=before_commit,
        after_commit=after_commit,
        read_only=read_only,
        on_upgrade=on_upgrade,
    )


def check_uri(uri: str) -> None:
    """Raises BadInput for a URI that no engine takes, before anything is made."""
    if uri.startswith("postgresql:"):
        _postgresql().parse_place(uri)
    elif not uri.startswith("sqlite:/"):
        raise BadInput("a database is sqlite:/path.db or postgresql://user@host/database")


def is_server(uri: str) -> bool:
    """Whether the database is beside the lab's folder, not in it."""
    return uri.startswith("postgresql:")


def claim(uri: str, token: str) -> None:
    """Makes a server's schema empty and ``token``'s, until `release`.

    Only what was claimed with the same token is removed: raises Conflict for anything else.
    """
    engine = _postgresql()
    engine.claim(engine.parse_place(uri), token)


def release(uri: str) -> None:
    """What was claimed is a lab's now: nothing of it is ever removed again."""
    engine = _postgresql()
    engine.release(engine.parse_place(uri))


def weaknesses(uri: str) -> list[Weakness]:
    """What the server could do better for the lab; raises as `open_database`."""
    engine = _postgresql()
    found: list[Weakness] = engine.weaknesses(engine.parse_place(uri))
    return found


def wipe(uri: str) -> None:
    """Removes the files of an SQLite database that is not one yet."""
    path = uri.removeprefix("sqlite:")
    for suffix in SQLITE_FILES:
        Path(path + suffix).unlink(missing_ok=True)


def _postgresql() -> ModuleType:
    try:
        from cloister.db import postgresql
    except ImportError as error:
        raise BadInput(
            "the library for PostgreSQL is not installed",
            hint="pip install 'cloister[postgres]'",
        ) from error
    return postgresql
