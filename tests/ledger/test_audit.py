"""The audit names the first thing that is not what was signed."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from cloister.core.canonical import canonical
from cloister.ledger import leaf_hash
from cloister.ledger.audit import AuditReport, FindingKind, audit
from cloister.ledger.findings import LARGEST
from tests.ledger import slow_tree
from tests.ledger.conftest import NewLab
from tests.ledger.lab import MIGRATIONS, PROJECTIONS, TABLES, Lab, event, note


def change(lab: Lab, sql: str, *values: object) -> None:
    """What somebody does who has the file open and needs no ledger."""
    lab.tamper(sql, *values)


def only(report: AuditReport) -> tuple[FindingKind, int | None, str | None, object]:
    (finding,) = report.findings
    return finding.kind, finding.event, finding.table, finding.key


@pytest.fixture
def full(lab: Lab) -> Lab:
    """Two tables; notes n0 to n9 are events 0 to 9, beds 0 to 4 events 10 to 14."""
    lab.append(*(note(f"n{number}") for number in range(10)))
    lab.append(
        *(event("bed.made", ward="1", number=number, sealed="0a0b") for number in range(5))
    )
    lab.append(note("n3", "changed"), event("note.removed", name="n4"), note("n5"))
    return lab


def test_a_sound_lab_has_no_findings(full: Lab) -> None:
    report = full.audit()
    assert report.sound
    assert (report.events, report.rows, report.findings) == (18, 14, ())


def test_an_empty_lab_is_sound(lab: Lab) -> None:
    assert lab.audit().sound


def test_the_log_alone_can_be_audited(full: Lab) -> None:
    change(full, "UPDATE note SET words = 'forged'")
    report = full.audit(tables=())
    assert (report.sound, report.events, report.rows) == (True, 18, 0)


def test_a_changed_row_is_named_with_the_event_that_wrote_it(full: Lab) -> None:
    change(full, "UPDATE note SET words = 'forged' WHERE name = 'n3'")
    assert only(full.audit()) == (FindingKind.ROW, 15, "note", ("n3",))
    assert "altered in words; last written by event 15" in full.audit().findings[0].message


def test_a_changed_row_under_a_compound_key_is_named(full: Lab) -> None:
    change(full, "UPDATE bed SET sealed = ? WHERE number = 2", b"\0")
    assert only(full.audit()) == (FindingKind.ROW, 12, "bed", ("1", 2))


def test_a_missing_row_is_named(full: Lab) -> None:
    change(full, "DELETE FROM note WHERE name = 'n7'")
    assert only(full.audit()) == (FindingKind.ROW, 7, "note", ("n7",))


def test_a_row_that_no_event_wrote_is_named(full: Lab) -> None:
    change(full, "INSERT INTO note VALUES ('zz', 'planted', 1)")
    assert only(full.audit()) == (FindingKind.ROW, None, "note", ("zz",))


def test_a_row_that_came_back_names_the_event_that_removed_it(full: Lab) -> None:
    change(full, "INSERT INTO note VALUES ('n4', 'as agreed', 1)")
    assert only(full.audit()) == (FindingKind.ROW, 16, "note", ("n4",))


def test_a_row_with_a_changed_key_is_both_missing_and_extra(full: Lab) -> None:
    change(full, "UPDATE note SET name = 'm0' WHERE name = 'n0'")
    report = full.audit()
    assert [finding.key for finding in report.findings] == [("m0",), ("n0",)]


@pytest.mark.file_database
def test_a_key_of_another_type_does_not_stop_the_audit(full: Lab) -> None:
    change(full, "UPDATE bed SET number = 'two' WHERE number = 2")
    assert [finding.key for finding in full.audit().findings] == [("1", 2), ("1", "two")]


def test_each_table_lists_its_first_findings_and_all_are_counted(lab: Lab) -> None:
    lab.append(*(note(f"n{number:03}") for number in range(100)))
    change(lab, "UPDATE note SET times = 9")
    change(lab, "INSERT INTO bed VALUES ('x', 1, NULL)")
    report = lab.audit()
    assert report.found == 101
    assert len(report.findings) == LARGEST + 1
    assert report.findings[0].key == ("n000",)


def test_tables_larger_than_a_batch_are_compared_to_the_end(lab: Lab) -> None:
    lab.append(*(note(f"n{number:05}") for number in range(5000)))
    change(lab, "DELETE FROM note WHERE name IN ('n00010', 'n04990')")
    change(lab, "INSERT INTO note VALUES ('n02500b', '', 1)")
    change(lab, "UPDATE note SET times = 2 WHERE name = 'n04999'")
    report = lab.audit()
    keys = [finding.key for finding in report.findings]
    assert keys == [("n00010",), ("n02500b",), ("n04990",), ("n04999",)]
    assert report.rows == 5001


def test_an_altered_entry_is_named(full: Lab) -> None:
    change(full, "UPDATE ledger_leaf SET leaf = ? WHERE position = 6", note("n6", "x").leaf())
    kinds = {(finding.kind, finding.event) for finding in full.audit().findings}
    assert kinds == {(FindingKind.ENTRY, 6), (FindingKind.ROW, 6)}


def test_an_entry_altered_with_its_hash_is_named_by_the_node_above(full: Lab) -> None:
    leaf = note("n6", "x").leaf()
    change(
        full,
        "UPDATE ledger_leaf SET leaf = ?, hash = ? WHERE position = 6",
        leaf,
        leaf_hash(leaf),
    )
    report = full.audit(tables=())
    assert [(finding.kind, finding.event) for finding in report.findings] == [
        (FindingKind.NODE, 6),
        (FindingKind.HEAD, None),
    ]


def test_a_dropped_entry_is_named(full: Lab) -> None:
    change(full, "DELETE FROM ledger_leaf WHERE position = 6")
    report = full.audit(tables=())
    assert {(finding.kind, finding.event) for finding in report.findings} == {
        (FindingKind.ENTRY, 6)
    }


def test_an_entry_beyond_the_head_is_named(full: Lab) -> None:
    leaf = note("n9").leaf()
    change(full, "INSERT INTO ledger_leaf VALUES (18, ?, ?)", leaf_hash(leaf), leaf)
    report = full.audit(tables=())
    assert (FindingKind.ENTRY, 18) in {(found.kind, found.event) for found in report.findings}


def test_an_entry_before_the_first_is_found(full: Lab) -> None:
    leaf = note("n9").leaf()
    change(full, "INSERT INTO ledger_leaf VALUES (-1, ?, ?)", leaf_hash(leaf), leaf)
    assert not full.audit(tables=()).sound


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE ledger_node SET hash = zeroblob(32) WHERE position = 3",
        "DELETE FROM ledger_node WHERE position = 3",
        "INSERT INTO ledger_node VALUES (16, zeroblob(32))",
        "INSERT INTO ledger_node VALUES (-1, zeroblob(32))",
    ],
)
def test_a_false_node_is_found(full: Lab, sql: str) -> None:
    change(full, sql)
    assert only(full.audit())[0] is FindingKind.NODE


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM ledger_head",
        "UPDATE ledger_head SET size = 17",
        "UPDATE ledger_head SET root = zeroblob(32)",
        "UPDATE ledger_head SET note = replace(note, '18', '17')",
        "UPDATE ledger_head SET note = ''",
    ],
)
def test_a_false_head_is_found(full: Lab, sql: str) -> None:
    change(full, sql)
    assert only(full.audit())[0] is FindingKind.HEAD


def test_an_entry_that_cannot_be_replayed_is_named(full: Lab) -> None:
    change(full, "UPDATE ledger_leaf SET leaf = 'no json' WHERE position = 2")
    report = full.audit()
    assert {finding.event for finding in report.findings} == {2}
    assert "cannot be replayed" in report.findings[-1].message


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"ward": "1", "number": "x", "sealed": "00"},
        {"ward": "1", "number": 1, "sealed": 5},
    ],
)
def test_an_event_whose_projection_fails_is_named(full: Lab, body: dict[str, object]) -> None:
    leaf = canonical(
        {"v": 1, "type": "bed.made", "time": "", "actor": "", "reason": "", "body": body}
    )
    change(full, "UPDATE ledger_leaf SET leaf = ? WHERE position = 12", leaf)
    report = full.audit()
    assert report.findings[0].event == 12
    assert "cannot be replayed" in report.findings[-1].message


@pytest.mark.parametrize(
    ("sql", "table"),
    [
        pytest.param(
            "CREATE TRIGGER t AFTER INSERT ON note BEGIN DELETE FROM note; END",
            "t",
            marks=pytest.mark.file_database,
        ),
        ("DROP INDEX note_words", "note_words"),
        ("CREATE VIEW v AS SELECT * FROM note", "v"),
        ("ALTER TABLE bed ADD COLUMN more TEXT", "bed"),
        ("ALTER TABLE bed DROP COLUMN sealed", "bed"),
        ("ALTER TABLE bed RENAME TO cot", "bed"),
        ("DROP TABLE bed", "bed"),
    ],
)
def test_a_schema_that_no_migration_made_is_found(full: Lab, sql: str, table: str) -> None:
    change(full, sql)
    report = full.audit()
    assert (report.findings[0].kind, report.findings[0].table) == (FindingKind.TABLE, table)


@pytest.mark.file_database
def test_an_index_that_hides_a_row_is_found(disk_lab: Lab, new_lab: NewLab) -> None:
    """All rows are right; a query by words does not find one of them."""
    disk_lab.append(*(note(f"n{number}", f"w{number}") for number in range(50)))
    change(disk_lab, "UPDATE note SET words = 'elsewhere' WHERE name = 'n7'")
    disk_lab.close()
    assert disk_lab.path is not None
    behind(disk_lab.path, "CREATE TABLE kept AS SELECT * FROM sqlite_master")
    behind(disk_lab.path, "DELETE FROM sqlite_master WHERE name = 'note_words'")
    behind(disk_lab.path, "UPDATE note SET words = 'w7' WHERE name = 'n7'")
    restore = "INSERT INTO sqlite_master SELECT * FROM kept WHERE name = 'note_words'"
    behind(disk_lab.path, restore)
    behind(disk_lab.path, "DROP TABLE kept")
    reopened = new_lab(disk_lab.path)
    assert reopened.read(lambda tx: tx.query("SELECT 1 FROM note WHERE words = 'w7'")) == []
    assert {finding.kind for finding in reopened.audit().findings} == {FindingKind.FILE}


@pytest.mark.file_database
def test_broken_pages_end_in_a_finding_not_in_an_error(disk_lab: Lab, new_lab: NewLab) -> None:
    disk_lab.append(*(note(f"n{number}") for number in range(500)))
    disk_lab.close()
    assert disk_lab.path is not None
    fresh = new_lab(disk_lab.path)
    content = bytearray(disk_lab.path.read_bytes())
    for page in range(10, len(content) // 4096):
        content[page * 4096 : page * 4096 + 64] = bytes(64)
    disk_lab.path.write_bytes(content)
    for tables in (TABLES, ()):
        assert FindingKind.FILE in {found.kind for found in fresh.audit(tables).findings}


def behind(path: Path, sql: str) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(sql)


def test_a_clock_set_back_is_a_warning_not_damage(lab: Lab) -> None:
    lab.append(event("read.begun", "2026-05-01T00:00:00.000000Z"))
    lab.append(event("read.begun", "2026-04-30T23:59:00.000000Z"))  # within the slack
    lab.append(event("read.begun", "2026-01-01T00:00:00.000000Z"))
    lab.append(event("read.begun", "2026-01-01T00:00:01.000000Z"))
    report = lab.audit()
    assert report.sound
    assert len(report.warnings) == 1
    assert "entry 2" in report.warnings[0]


def test_progress_ends_where_it_said_it_would(full: Lab) -> None:
    seen: list[tuple[int, int]] = []
    audit(
        full.database,
        full.reader,
        PROJECTIONS,
        TABLES,
        MIGRATIONS,
        on_progress=lambda done, total: seen.append((done, total)),
    )
    assert seen[-1] == (18 + 14, 18 + 14)
    assert seen == sorted(seen)


def test_a_lab_in_use_can_be_audited(disk_lab: Lab) -> None:
    disk_lab.append(note("a"))
    with disk_lab.database.read() as tx:
        root = disk_lab.reader.head(tx).root
        disk_lab.append(note("b"))
        assert root == slow_tree.tree_hash([note("a").leaf()])
        assert disk_lab.reader.head(tx).root == root
    assert disk_lab.audit().sound
