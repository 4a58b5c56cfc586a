"""Steps are applied once, in order, and never change."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloister.core.errors import BadInput, CloisterError, DatabaseDamaged
from cloister.db import Migration, open_database, scratch_database
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


def test_an_earlier_releases_database_is_kept_as_it_was(
    opened: OpenDatabase, tmp_path: Path
) -> None:
    old = opened(WORDS)
    old.write(lambda tx: tx.execute("INSERT INTO word (text) VALUES ('before')"))
    told: list[str] = []
    new = opened(WORDS, SECOND, OTHER, on_upgrade=told.append)
    new.write(lambda tx: tx.execute("INSERT INTO word (text) VALUES ('after')"))
    [kept_at] = told
    kept = Path(kept_at)
    assert kept.name.endswith(".before-1")
    assert kept.stat().st_mode & 0o777 == 0o600
    assert opened(WORDS, SECOND, OTHER, on_upgrade=told.append)
    assert told == [kept_at]
    again = open_database(f"sqlite:{kept}", (WORDS,), read_only=True)
    with again.read() as tx:
        assert tx.query("SELECT text FROM word") == [("before",)]
    assert columns(again) == ["id", "text"]
    again.close()


def test_a_new_database_needs_no_snapshot(opened: OpenDatabase, tmp_path: Path) -> None:
    told: list[str] = []
    opened(WORDS, SECOND, on_upgrade=told.append)
    assert told == []
    assert not list(tmp_path.rglob("*.before-*"))


def test_no_snapshot_no_migration(opened: OpenDatabase, tmp_path: Path) -> None:
    """What cannot be kept as it was is not changed."""
    old = opened(WORDS)
    [path] = [path for path in tmp_path.iterdir() if path.suffix == ".db"]
    part = path.with_name(f".{path.name}.before-1.part")
    part.mkdir()
    (part / "in the way").touch()
    with pytest.raises((CloisterError, OSError)):
        opened(WORDS, SECOND)
    assert columns(old) == ["id", "text"]


def test_a_step_that_fails_leaves_the_database_and_its_snapshot(opened: OpenDatabase) -> None:
    broken = Migration("words", 2, ("ALTER TABLE word ADD COLUMN note TEXT", "SELEC"))
    opened(WORDS)
    told: list[str] = []
    with pytest.raises(Exception, match="syntax"):
        opened(WORDS, broken, on_upgrade=told.append)
    assert told == []
    assert columns(opened(WORDS)) == ["id", "text"]
