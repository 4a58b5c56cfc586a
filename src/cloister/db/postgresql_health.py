"""What an administrator of the server could do better for the lab."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psycopg

from cloister.core.events import Transaction
from cloister.db.database import Weakness
from cloister.db.postgresql_connection import connect
from cloister.db.postgresql_errors import translated
from cloister.db.postgresql_place import Place
from cloister.db.postgresql_transaction import PostgresTransaction

_SETTINGS = """
    SELECT current_setting('full_page_writes'), current_setting('data_checksums'),
           current_setting('data_sync_retry'), current_setting('log_statement')
"""
_ROLE = """
    SELECT rolsuper, rolcreaterole OR rolcreatedb OR rolbypassrls OR rolreplication
    FROM pg_roles WHERE rolname = current_user
"""
_CONNECT = """
    SELECT COUNT(*) FROM pg_database d
    CROSS JOIN LATERAL aclexplode(COALESCE(d.datacl, acldefault('d', d.datdba))) a
    WHERE d.datname = current_database() AND a.grantee = 0 AND a.privilege_type = 'CONNECT'
"""
_GRANTED = """
    SELECT DISTINCT CASE WHEN a.grantee = 0 THEN 'everybody'
                         ELSE CAST(pg_get_userbyid(a.grantee) AS TEXT) END
    FROM (SELECT nspacl AS acl, nspowner AS owner FROM pg_namespace WHERE nspname = :schema
          UNION ALL
          SELECT c.relacl, c.relowner FROM pg_class c JOIN pg_namespace n
          ON n.oid = c.relnamespace WHERE n.nspname = :schema) AS granted
    CROSS JOIN LATERAL aclexplode(granted.acl) a
    WHERE a.grantee <> granted.owner ORDER BY 1
"""


def weaknesses(place: Place) -> list[Weakness]:
    """In the order of their weight; raises as `connect`."""
    with contextlib.closing(connect(place, read_only=True)) as session:
        try:
            session.execute("BEGIN READ ONLY")
            transaction = PostgresTransaction(session)
            return [*_access(transaction, place), *_disk(transaction)]
        except psycopg.Error as error:
            raise translated(error) from error


def _access(transaction: Transaction, place: Place) -> Iterator[Weakness]:
    for (name,) in transaction.query(_GRANTED, {"schema": place.schema}):
        yield Weakness(
            f"{name} has rights on the lab's tables",
            f"REVOKE ALL ON SCHEMA {place.schema} FROM ...; see docs/how-to/use-postgresql.md",
            opens=True,
        )
    [(everybody,)] = transaction.query(_CONNECT)
    if everybody:
        yield Weakness(
            "every user of the server may connect to the database, and see its tables' names",
            f"REVOKE CONNECT ON DATABASE {place.database} FROM PUBLIC",
        )
    [(superuser, more)] = transaction.query(_ROLE)
    if superuser or more:
        yield Weakness(
            f"the lab's user {place.user} may do more than the lab needs",
            f"ALTER ROLE {place.user} NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS",
        )


def _disk(transaction: Transaction) -> Iterator[Weakness]:
    [(full_pages, checksums, retry, logged)] = transaction.query(_SETTINGS)
    if full_pages != "on":
        yield Weakness(
            "full_page_writes is off: after a power cut pages may be half old, half new",
            "set full_page_writes = on in postgresql.conf",
        )
    if retry != "off":
        yield Weakness(
            "data_sync_retry is on: a failed fsync is forgotten",
            "set data_sync_retry = off in postgresql.conf",
        )
    if checksums != "on":
        yield Weakness(
            "pages have no checksums: the server gives out damaged ones unnoticed",
            "stop it once and run pg_checksums --enable",
        )
    if logged in {"all", "mod"}:
        yield Weakness(
            f"log_statement is {logged}: the server's log repeats all that the lab writes",
            "set log_statement = none, or ddl, in postgresql.conf",
        )
