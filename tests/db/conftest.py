"""A database on disk with one table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cloister.db import Database, Migration, open_database

WORDS = Migration("words", 1, ("CREATE TABLE word (id INTEGER PRIMARY KEY, text TEXT UNIQUE)",))
OpenDatabase = Callable[..., Database]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some.db"


@pytest.fixture
def opened(path: Path) -> Iterator[OpenDatabase]:
    """Opens the database at ``path``; everything opened closes with the test."""
    databases: list[Database] = []

    def open_one(
        *migrations: Migration, uri: str = f"sqlite:{path}", **options: Any
    ) -> Database:
        databases.append(open_database(uri, migrations or (WORDS,), **options))
        return databases[-1]

    yield open_one
    for database in databases:
        database.close()


@pytest.fixture
def database(opened: OpenDatabase) -> Database:
    return opened()
