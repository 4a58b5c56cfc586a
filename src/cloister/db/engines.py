"""The engine a database URI names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from cloister.core.errors import BadInput
from cloister.core.events import Transaction
from cloister.db.database import Database
from cloister.db.migrations import Migration
from cloister.db.sqlite import open_sqlite


def open_database(
    uri: str,
    migrations: Sequence[Migration],
    *,
    before_commit: Callable[[Transaction], None] | None = None,
    after_commit: Callable[[], None] | None = None,
    read_only: bool = False,
    on_upgrade: Callable[[Path], None] | None = None,
) -> Database:
    """The database at ``uri``, created if missing, brought up to the last migration.

    ``sqlite:/absolute/path.db`` or ``sqlite::memory:``. ``before_commit`` runs inside every
    transaction that is about to become durable, and can refuse it by raising;
    ``after_commit`` runs once it is, and must not raise. Before a database that an earlier
    release wrote is changed, a snapshot of it is put beside it, which ``on_upgrade`` is told
    once the change is made. Raises BadInput for an unknown
    scheme or a database newer than this program, NotFound, NotAllowed, DatabaseDamaged.
    """
    scheme, _, place = uri.partition(":")
    if scheme != "sqlite" or not place:
        raise BadInput(
            f"no database engine for {scheme!r}: expected sqlite:/path.db or sqlite::memory:"
        )
    return open_sqlite(
        place,
        migrations,
        before_commit=before_commit,
        after_commit=after_commit,
        read_only=read_only,
        on_upgrade=on_upgrade,
    )
