"""A schema of a PostgreSQL database brought to the form this program expects."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import psycopg

from cloister.core.errors import BadInput, Conflict, NotFound
from cloister.core.events import Transaction
from cloister.db.migrations import TABLE, Migration, held, migrate, pending
from cloister.db.postgresql_connection import Session, connect, run_together
from cloister.db.postgresql_errors import translated
from cloister.db.postgresql_place import Place
from cloister.db.postgresql_transaction import PostgresTransaction, is_open
from cloister.db.postgresql_writer import MARKS, lock_key

_TABLES = (
    "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = ? AND c.relkind IN ('r', 'p') ORDER BY c.relname"
)
_COLUMNS = (
    "SELECT attname FROM pg_attribute WHERE attrelid = CAST(? AS regclass)"
    " AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
)


def bring_up(place: Place, migrations: Sequence[Migration]) -> str | None:
    """Migrates, under the lock of all writers; all of it or none.

    Before what an earlier release wrote is changed, it is copied into a schema of its own in
    the same transaction; gives where. Raises as `connect`, `pending` and `Database.write`.
    """
    with _locked(place) as (session, transaction):
        tables = _tables(transaction, place.schema)
        was = held(transaction, migrations) if "migration" in tables else []
        missing = pending(transaction, migrations) if "migration" in tables else migrations
        if not missing and "commit_mark" in tables:
            return None
        if not transaction.query(
            "SELECT 1 FROM pg_namespace WHERE nspname = ?", (place.schema,)
        ):
            transaction.execute(f'CREATE SCHEMA "{place.schema}"')
        before = None
        if was and missing:
            before = f"{place.schema}_before_{len(was)}"
            _copy(transaction, place.schema, before, was)
        migrate(transaction, migrations)
        if "commit_mark" not in tables:
            transaction.execute(MARKS)
        session.execute("COMMIT")
    return before and f"schema {before} of the database"


def require_last(place: Place, migrations: Sequence[Migration]) -> None:
    """Raises NotFound where nothing is, BadInput for what an earlier or later release wrote."""
    with contextlib.closing(connect(place, read_only=True)) as session:
        try:
            session.execute("BEGIN READ ONLY")
            transaction = PostgresTransaction(session)
            if "migration" not in _tables(transaction, place.schema):
                raise NotFound(
                    f"there is no lab in {place}",
                    hint="is the database URI in cloister.toml the right one?",
                )
            missing = pending(transaction, migrations)
        except psycopg.Error as error:
            raise translated(error) from error
    if missing:
        raise BadInput(
            f"the database lacks {len(missing)} migrations of this program",
            hint="an earlier release wrote it: `cloister ls` brings it up to date",
        )


def claim(place: Place, token: str) -> None:
    """An empty schema that carries ``token``; raises Conflict for one that holds another's."""
    with _locked(place) as (session, transaction):
        tables = _tables(transaction, place.schema)
        ours = "claim" in tables and transaction.query(
            f'SELECT 1 FROM "{place.schema}".claim WHERE token = ?',  # noqa: S608 - checked
            (token,),
        )
        if tables and not ours:
            raise Conflict(
                f"{place} holds a lab, or tables of something else",
                hint="name another schema at the end of the URI, ?schema=NAME; or remove what"
                f" an abandoned try left: DROP SCHEMA {place.schema} CASCADE",
            )
        for table in tables:
            transaction.execute(f'DROP TABLE "{place.schema}"."{table}" CASCADE')
        _make_schema(transaction, place.schema)
        transaction.execute("CREATE TABLE claim (token TEXT NOT NULL)")
        transaction.execute("INSERT INTO claim (token) VALUES (?)", (token,))
        session.execute("COMMIT")


def release(place: Place) -> None:
    """Takes the claim away: what is there stays there."""
    with _locked(place) as (session, transaction):
        transaction.execute(f'DROP TABLE IF EXISTS "{place.schema}".claim')
        session.execute("COMMIT")


@contextlib.contextmanager
def _locked(place: Place) -> Iterator[tuple[Session, Transaction]]:
    """A transaction that has the lock of all writers; undone unless the block commits."""
    session = connect(place, read_only=False)
    transaction = PostgresTransaction(session)
    try:
        run_together(session, f"BEGIN; SELECT pg_advisory_xact_lock({lock_key(place)})")
        yield session, transaction
        if is_open(session):
            session.execute("ROLLBACK")
    except psycopg.Error as error:
        raise translated(error) from error
    finally:
        transaction.end()
        session.close()


def _make_schema(transaction: Transaction, schema: str) -> None:
    """Without asking for the right to make one where it is there."""
    if not transaction.query("SELECT 1 FROM pg_namespace WHERE nspname = ?", (schema,)):
        transaction.execute(f'CREATE SCHEMA "{schema}"')


def _tables(transaction: Transaction, schema: str) -> list[str]:
    return [name for (name,) in transaction.query(_TABLES, (schema,))]


def _copy(
    transaction: Transaction, schema: str, target: str, steps: Sequence[Migration]
) -> None:
    """The whole of ``schema`` as its release knows it: tables, indexes, constraints, rows."""
    transaction.execute(f'DROP SCHEMA IF EXISTS "{target}" CASCADE')
    transaction.execute(f'CREATE SCHEMA "{target}"')
    transaction.execute(f'SET LOCAL search_path = "{target}", pg_temp')
    for statement in (TABLE, *(one for step in steps for one in step.statements)):
        transaction.execute(statement)
    for table in _tables(transaction, target):
        names = transaction.query(_COLUMNS, (f'"{target}"."{table}"',))
        columns = ", ".join(f'"{name}"' for (name,) in names)
        transaction.execute(
            f'INSERT INTO "{target}"."{table}" ({columns})'  # noqa: S608 - from the catalogue
            f' SELECT {columns} FROM "{schema}"."{table}"'
        )
    transaction.execute(f'SET LOCAL search_path = "{schema}", pg_temp')
