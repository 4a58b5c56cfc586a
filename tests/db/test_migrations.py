"""Steps are applied once, in order, and never change."""

from __future__ import annotations

import pytest

from cloister.core.errors import BadInput, DatabaseDamaged
from cloister.db import Migration, scratch_database
from tests.db.conftest import WORDS, OpenDatabase

SECOND = Migration("words", 2, ("ALTER TABLE word ADD COLUMN note TEXT",))
OTHER = Migration("other", 1, ("CREATE TABLE other (id INTEGER PRIMARY KEY)",))


def columns(database):  # type: ignore[no-untyped-def]
    with database.read() as tx:
        return [name for (name,) in tx.query("SELECT name FROM pragma_table_info('word')")]


def test_a_database_is_brought_up_step_by_step(opened: OpenDatabase) -> None:
    assert columns(opened(WORDS)) == ["id", "text"]
    assert columns(opened(WORDS, SECOND, OTHER)) == ["id", "text", "note"]
    assert columns(opened(WORDS, SECOND, OTHER)) == ["id", "text", "note"]


def test_a_step_that_fails_leaves_none_of_its_statements(opened: OpenDatabase) -> None:
    broken = Migration("words", 2, ("ALTER TABLE word ADD COLUMN note TEXT", "SELEC"))
    opened(WORDS)
    with pytest.raises(Exception, match="syntax"):
        opened(WORDS, broken)
    assert columns(opened(WORDS)) == ["id", "text"]


def test_a_newer_database_is_refused_with_the_way_out(opened: OpenDatabase) -> None:
    opened(WORDS, SECOND)
    with pytest.raises(BadInput, match="words 2") as caught:
        opened(WORDS)
    assert "newer version" in str(caught.value.hint)


def test_a_released_step_that_changed_is_refused(opened: OpenDatabase) -> None:
    opened(WORDS)
    with pytest.raises(DatabaseDamaged, match="words 1"):
        opened(Migration("words", 1, ("CREATE TABLE word (id TEXT)",)))


def test_a_reader_does_not_migrate(opened: OpenDatabase) -> None:
    opened(WORDS)
    with pytest.raises(BadInput, match="lacks 1 migration"):
        opened(WORDS, SECOND, read_only=True)


def test_numbers_follow_one_another(opened: OpenDatabase) -> None:
    for wrong in ((SECOND,), (WORDS, WORDS), (SECOND, WORDS)):
        with pytest.raises(ValueError, match="numbered 1, 2, 3"):
            opened(*wrong)


def test_a_scratch_database_is_migrated_and_empty() -> None:
    with scratch_database((WORDS, SECOND)) as tx:
        assert tx.query("SELECT COUNT(*) FROM word") == [(0,)]
    with pytest.raises(RuntimeError, match="has ended"):
        tx.query("SELECT 1")
