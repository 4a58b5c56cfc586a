"""Every engine passes the same suite, and lives through the same random lives."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from cloister.db import Database, Migration, open_database
from cloister.testing.database_machine import DatabaseMachine
from cloister.testing.database_suite import WORDS, DatabaseSuite
from cloister.testing.database_together import TogetherSuite
from tests.faults.postgres import PostgresServer

_numbers = itertools.count()


class TestSqlite(TogetherSuite, DatabaseSuite):
    def open(self, place: Path, *migrations: Migration, **options: Any) -> Database:
        return open_database(f"sqlite:{place / 'some.db'}", migrations, **options)


class TestPostgresql(TogetherSuite, DatabaseSuite):
    @pytest.fixture(autouse=True)
    def _server(self, postgres: PostgresServer) -> None:
        self.uri = postgres.uri(f"suite_{next(_numbers)}")

    def open(self, place: Path, *migrations: Migration, **options: Any) -> Database:
        return open_database(self.uri, migrations, **options)


_LIVES = settings(
    max_examples=12,
    stateful_step_count=15,
)


class SqliteMachine(DatabaseMachine):
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="cl-db-"))

    def reopen(self, **options: Any) -> Database:
        return open_database(f"sqlite:{self.folder / 'some.db'}", (WORDS,), **options)

    def teardown(self) -> None:
        super().teardown()
        shutil.rmtree(self.folder)


class PostgresqlMachine(DatabaseMachine):
    server: PostgresServer

    def begin(self) -> None:
        self.uri = self.server.uri(f"life_{next(_numbers)}")

    def reopen(self, **options: Any) -> Database:
        return open_database(self.uri, (WORDS,), **options)


TestSqliteLives = SqliteMachine.TestCase
TestSqliteLives.settings = _LIVES


def test_random_lives_on_a_server(postgres: PostgresServer) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    PostgresqlMachine.server = postgres
    run_state_machine_as_test(PostgresqlMachine, settings=_LIVES)  # type: ignore[no-untyped-call]
