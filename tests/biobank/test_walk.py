"""A folder becomes items: all of it, in one order, each with its subject or a reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cloister.biobank import Item, Kind, Quarantine, SubjectRules, join
from cloister.biobank.tree import Survey, survey
from cloister.biobank.walk import walk
from cloister.core.errors import BadInput, FileChanged, NotFound
from cloister.core.subjects import Identity

BY_COLUMN = SubjectRules(column="patient_id")
BY_FOLDER = SubjectRules(issuer="ward 3", pattern=r"^(?P<subject>[^/]+)/")


def grown(root: Path, **files: bytes) -> Path:
    for name, content in files.items():
        path = root / name.replace("__", "/").replace("_csv", ".csv").replace("_tsv", ".tsv")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def whose(items: list[Item]) -> list[tuple[str, str | None, str | None]]:
    return [
        (item.path, item.subject and item.subject.local_id, item.quarantine) for item in items
    ]


def test_the_pattern_names_subjects_by_their_folders(tmp_path: Path) -> None:
    grown(tmp_path, P2__b=b"2", P1__a=b"1", readme=b"3")
    items = list(walk(tmp_path, BY_FOLDER))
    assert whose(items) == [
        ("P1/a", "P1", None),
        ("P2/b", "P2", None),
        ("readme", None, Quarantine.NO_SUBJECT),
    ]
    assert items[0].subject == Identity("ward 3", "P1")
    assert items[0].content == b"1"
    assert b"".join(items[1].chunks()) == b"2"
    assert items[0].mtime_ns == (tmp_path / "P1/a").stat().st_mtime_ns
    assert items[0].mode == (tmp_path / "P1/a").stat().st_mode


def test_a_table_becomes_its_layout_and_one_item_a_subject(tmp_path: Path) -> None:
    table = b"patient_id,x\nP1,1\nP2,2\nP1,1\n,4\nP3\n"
    grown(tmp_path, t_csv=table)
    layout, *rows = walk(tmp_path, BY_COLUMN)
    assert (layout.kind, layout.subject, layout.quarantine) == (Kind.LAYOUT, None, None)
    assert layout.facts == {"rows": "5", "parts": "4", "delimiter": ","}
    assert [(i.part, i.subject and i.subject.local_id, i.quarantine) for i in rows] == [
        (0, "P1", None),
        (1, "P2", None),
        (2, None, Quarantine.NO_SUBJECT),
        (3, "P3", None),
    ]
    assert rows[0].facts == {"rows": "2", "duplicate_rows": "1"}
    assert rows[3].facts == {"rows": "1", "ragged_rows": "1"}
    assert all(item.path == "t.csv" and item.kind is Kind.ROWS for item in rows)
    parts = {item.part: item.content for item in rows}
    assert join(layout.content, parts).content == table


def test_each_row_that_is_nobodys_stands_alone(tmp_path: Path) -> None:
    grown(tmp_path, t_csv=b"patient_id,x\n,1\n,2\n")
    _, *rows = walk(tmp_path, BY_COLUMN)
    assert [(item.part, item.quarantine) for item in rows] == [
        (0, "no-subject"),
        (1, "no-subject"),
    ]


def test_a_ragged_row_is_nobodys_unless_the_subject_comes_first(tmp_path: Path) -> None:
    grown(tmp_path, t_csv=b"x,patient_id\n1,P1\n1,2,P1\n3\n")
    _, *rows = walk(tmp_path, BY_COLUMN)
    assert [item.quarantine for item in rows] == [None, "ragged-row", "ragged-row"]


def test_every_table_is_split_whatever_its_dialect(tmp_path: Path) -> None:
    grown(tmp_path, a_csv=b"patient_id;x\nP1;1\n", b_tsv=b"x\tpatient_id\r\n1\tP1\r\n")
    items = list(walk(tmp_path, BY_COLUMN))
    assert [item.kind for item in items] == ["layout", "rows", "layout", "rows"]
    assert items[1].subject == items[3].subject


def test_a_table_without_the_column_is_kept_whole_in_quarantine(tmp_path: Path) -> None:
    grown(tmp_path, a_csv=b"patient_id,x\nP1,1\n", b_csv=b"x,y\n1,2\n")
    last = list(walk(tmp_path, BY_COLUMN))[-1]
    assert (last.path, last.kind, last.quarantine) == ("b.csv", "file", "missing-column")
    assert last.content == b"x,y\n1,2\n"


def test_a_table_without_the_column_may_be_one_subjects_by_the_pattern(tmp_path: Path) -> None:
    grown(tmp_path, a_csv=b"patient_id,x\nP1,1\n", P2__ecg_csv=b"t,mv\n1,2\n")
    rules = SubjectRules(column="patient_id", pattern="^([^/]+)/")
    assert whose(list(walk(tmp_path, rules)))[0] == ("P2/ecg.csv", "P2", None)


def test_a_column_that_no_table_has_is_refused_with_those_that_exist(tmp_path: Path) -> None:
    grown(tmp_path, a_csv=b"subject,x\nP1,1\n", b_csv=b"x,y\n1,2\n", c=b"z")
    with pytest.raises(BadInput, match="'patient_id'") as refused:
        walk(tmp_path, BY_COLUMN)
    assert refused.value.hint == "columns that exist: subject, x, y"


def test_a_table_without_a_header_shows_no_patient(tmp_path: Path) -> None:
    grown(tmp_path, a_csv=b"P0001,Anna,f\nP0002,Hans,m\n")
    with pytest.raises(BadInput) as refused:
        walk(tmp_path, BY_COLUMN)
    assert refused.value.hint is None
    assert "Anna" not in str(refused.value)


def test_a_column_without_any_table_is_refused(tmp_path: Path) -> None:
    grown(tmp_path, a=b"1")
    with pytest.raises(BadInput, match=r"there is no \.csv"):
        walk(tmp_path, BY_COLUMN)


@pytest.mark.parametrize("others", [{}, {"a_csv": b"x,y\n1,2\n"}])
def test_a_table_that_cannot_be_split_is_told_by_its_place(
    tmp_path: Path, others: dict[str, bytes]
) -> None:
    grown(tmp_path, Anna_csv=b"patient_id,x\0\nP1,1\n", **others)
    with pytest.raises(BadInput, match="can be split has") as refused:
        walk(tmp_path, BY_COLUMN)
    hint = refused.value.hint
    assert hint is not None
    assert "1 by name: a table with NUL bytes" in hint
    assert ("columns that exist: x, y" in hint) == bool(others)
    assert "Anna" not in str(refused.value) + hint


@pytest.mark.parametrize(("pattern", "said"), [("(", "not a regular"), ("P.*", "no group")])
def test_a_pattern_that_cannot_work_is_refused(tmp_path: Path, pattern: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        walk(tmp_path, SubjectRules(pattern=pattern))


def test_one_file_can_be_walked(tmp_path: Path) -> None:
    grown(tmp_path, t_csv=b"patient_id\nP1\n", other=b"x")
    assert [item.path for item in walk(tmp_path / "t.csv", BY_COLUMN)] == ["t.csv", "t.csv"]
    assert survey(tmp_path / "t.csv") == Survey(1, 14)


def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        walk(tmp_path / "none", SubjectRules())


def test_the_survey_counts_what_the_walk_will_read(tmp_path: Path) -> None:
    grown(tmp_path, a=b"123", b__c=b"4567")
    (tmp_path / "link").symlink_to("a")
    (tmp_path / "out").symlink_to("/etc/passwd")
    assert survey(tmp_path) == Survey(4, 3 + 4 + 3 + Path("/etc/passwd").stat().st_size)


def test_two_spellings_of_one_id_are_one_subject(tmp_path: Path) -> None:
    spelled = "Mu\u0308ller", "M\u00fcller", '" M\u00fcller "'
    table = "patient_id,x\n" + "".join(f"{name},1\n" for name in spelled)
    grown(tmp_path, t_csv=table.encode())
    _, *rows = walk(tmp_path, BY_COLUMN)
    assert [item.subject for item in rows] == [Identity.of("local", "Müller")]


def test_large_files_are_streamed(tmp_path: Path) -> None:
    content = bytes(range(256)) * (3 << 12)
    grown(tmp_path, P1__a=content)
    (item,) = walk(tmp_path, BY_FOLDER)
    assert item.content is None
    assert item.source == tmp_path.resolve() / "P1/a"
    chunks = list(item.chunks())
    assert max(map(len, chunks)) <= 1 << 20
    assert b"".join(chunks) == content


def test_a_subject_with_many_rows_is_streamed(tmp_path: Path) -> None:
    table = b"patient_id,x\n" + b"".join(b"P%d,%040d\n" % (n % 2, n) for n in range(60_000))
    grown(tmp_path, t_csv=table)
    layout, *rows = walk(tmp_path, BY_COLUMN)
    assert [item.content for item in rows] == [None, None]
    parts = {item.part: b"".join(item.chunks()) for item in rows}
    assert [len(part) for part in parts.values()] == [item.size_bytes for item in rows]
    assert join(b"".join(layout.chunks()), parts).content == table


def test_a_table_too_large_for_memory_is_split_in_place(tmp_path: Path) -> None:
    row = b"%s," + b"x" * 400 + b"\n"
    table = b"patient_id,x\n" + b"".join(row % (b"P%d" % (n % 3)) for n in range(170_000))
    assert len(table) > 64 << 20
    grown(tmp_path, t_csv=table)
    layout, *rows = walk(tmp_path, BY_COLUMN)
    parts = {item.part: b"".join(item.chunks()) for item in rows}
    assert join(b"".join(layout.chunks()), parts).content == table
    with (tmp_path / "t.csv").open("ab") as more:
        more.write(b"P1,\n")
    with pytest.raises(FileChanged):
        list(rows[0].chunks())


def test_real_photographs_are_named_by_their_number(real_data: Path) -> None:
    items = list(walk(real_data / "bccd", SubjectRules(pattern=r"BloodImage_(\d+)\.")))
    photographs = [item for item in items if item.path.endswith(".jpg")]
    assert len(photographs) == 364
    assert all(
        item.subject and re.fullmatch(r"\d{5}", item.subject.local_id) for item in photographs
    )
