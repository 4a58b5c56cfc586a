"""Where the tests' labs keep their tables: in files, or all on one PostgreSQL server.

``CLOISTER_TEST_DATABASE=postgresql pytest ...`` runs any test that makes its labs through this
module, or through a `Shell`, on a server. Tests that need a file are marked `file_database`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
from pathlib import Path
from typing import Any

import psycopg

from cloister.db.postgresql_sql import bound
from tests.faults.postgres import PostgresServer, postgres_server

ON_SERVER = os.environ.get("CLOISTER_TEST_DATABASE") == "postgresql"
_PLACE = "CLOISTER_TEST_SERVER"
_running = contextlib.ExitStack()
_servers: list[PostgresServer] = []


def shared_server() -> PostgresServer:
    """The one server of this test process, started when it is first asked for."""
    if not _servers and _PLACE in os.environ:  # a child of the process that started it
        _servers.append(PostgresServer(Path(os.environ[_PLACE])))
    if not _servers:
        _servers.append(_running.enter_context(postgres_server()))
        os.environ[_PLACE] = str(_servers[0].folder)
    return _servers[0]


def stop_shared_server() -> None:
    """At the end of all tests."""
    _servers.clear()
    os.environ.pop(_PLACE, None)
    _running.close()


def database_uri(path: Path | None) -> str:
    """The database that belongs to ``path``, that file or a schema; without one, a new one."""
    if not ON_SERVER:
        return f"sqlite:{path or ':memory:'}"
    if path is None:
        return shared_server().new_schema()
    name = hashlib.sha256(str(path).encode()).hexdigest()[:16]
    return shared_server().uri(f"path_{name}")


def uri_of_lab(folder: Path) -> str:
    """The database of the lab in ``folder``, as its settings name it."""
    for line in (folder / "cloister.toml").read_text().splitlines():
        if line.startswith("database = "):
            return line.split('"')[1]
    return f"sqlite:{folder / 'lab.db'}"


def run_sql(uri: str, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """The rows of a statement, past all of the platform, as somebody with the file would."""
    if uri.startswith("sqlite:"):
        with contextlib.closing(sqlite3.connect(uri.removeprefix("sqlite:"))) as database:
            rows = database.execute(statement, values).fetchall()
            database.commit()
            return rows
    address, _, schema = uri.partition("&schema=")
    with psycopg.connect(
        address, options=f"-csearch_path={schema}", cursor_factory=psycopg.RawCursor
    ) as session:
        cursor = session.execute(*bound(statement, values))
        return cursor.fetchall() if cursor.description else []
