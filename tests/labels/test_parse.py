"""Every line of a file of labels becomes labels, or says why not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cloister.core.errors import BadInput, NotFound
from cloister.labels.parse import LabelProblem, LabelRules, Labels, parse_labels

Parse = Callable[..., Labels]
BY_SUBJECT = LabelRules(subject_column="patient_id")


@pytest.fixture
def parsed(tmp_path: Path) -> Parse:
    def parse(content: bytes, rules: LabelRules = BY_SUBJECT) -> Labels:
        file = tmp_path / "labels.csv"
        file.write_bytes(content)
        return parse_labels(file, rules)

    return parse


def said(labels: Labels) -> list[tuple[str | None, str | None, str, str]]:
    return [
        (row.subject and row.subject.local_id, row.path, row.schema, row.value)
        for row in labels.rows
    ]


def wrong(labels: Labels) -> list[tuple[int, LabelProblem]]:
    return [(issue.line, issue.problem) for issue in labels.issues]


def test_every_other_column_is_a_label_of_the_subject(parsed: Parse) -> None:
    labels = parsed(b"patient_id,grade,margin\nP1,2,clear\nP2,,free\n")
    assert labels.columns == ("grade", "margin")
    assert said(labels) == [
        ("P1", None, "grade", "2"),
        ("P1", None, "margin", "clear"),
        ("P2", None, "margin", "free"),
    ]


def test_only_the_named_columns_are_labels(parsed: Parse) -> None:
    rules = LabelRules(subject_column="patient_id", columns=("grade",))
    assert said(parsed(b"patient_id,age,grade\nP1,61,2\n", rules)) == [
        ("P1", None, "grade", "2")
    ]


@pytest.mark.parametrize("name", ["path", "file", "filename"])
def test_a_column_of_paths_names_records(parsed: Parse, name: str) -> None:
    labels = parsed(f"{name},cell\n./a/b.png,red\na/../c.png,white\n".encode(), LabelRules())
    assert said(labels) == [(None, "a/b.png", "cell", "red"), (None, "c.png", "cell", "white")]


def test_path_and_subject_are_both_kept(parsed: Parse) -> None:
    labels = parsed(b"file,patient_id,cell\na.png,P1,red\n")
    assert said(labels) == [("P1", "a.png", "cell", "red")]


def test_absolute_paths_count_below_the_added_folder(parsed: Parse) -> None:
    rules = LabelRules(folder=Path("/data/scans"))
    labels = parsed(b"path,x\n/data/scans/a.png,1\n/etc/passwd,2\n", rules)
    assert said(labels) == [(None, "a.png", "x", "1")]
    assert wrong(labels) == [(3, LabelProblem.PATH_OUTSIDE)]


@pytest.mark.parametrize("path", ["../a", "/a", "a/../../b", "..", "."])
def test_a_path_cannot_lead_out(parsed: Parse, path: str) -> None:
    labels = parsed(f"path,x\n{path},1\n".encode(), LabelRules())
    assert wrong(labels) == [(2, LabelProblem.PATH_OUTSIDE)]


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfpatient_id,x\r\nP1,1\r\n",
        b"patient_id;x\nP1;1\n",
        b"patient_id\tx\nP1\t1",
        b'"patient_id","x"\n" P1 ","1"\n',
        b"patient_id,x\n\n\nP1,1\n,\n",
    ],
)
def test_dialects_read_alike(parsed: Parse, content: bytes) -> None:
    labels = parsed(content)
    assert said(labels) == [("P1", None, "x", "1")]
    assert wrong(labels) == []


def test_each_unusable_line_says_why(parsed: Parse) -> None:
    lines = [b"patient_id,x", b"P1,1,2", b",1", b"P2,", b"P3,\xff", b"P4,1", b"P4,1"]
    lines += [b"P" * 300 + b",1", b"\xff,1"]
    assert wrong(parsed(b"\n".join(lines))) == [
        (2, LabelProblem.RAGGED_ROW),
        (3, LabelProblem.NO_KEY),
        (4, LabelProblem.NO_VALUE),
        (5, LabelProblem.NOT_UTF8),
        (7, LabelProblem.DUPLICATE_ROW),
        (8, LabelProblem.BAD_SUBJECT),
        (9, LabelProblem.BAD_SUBJECT),
    ]


def test_two_readings_that_differ_are_both_kept(parsed: Parse) -> None:
    labels = parsed(b"patient_id,grade\nP1,2\nP1,3\n")
    assert [row.value for row in labels.rows] == ["2", "3"]


def test_lines_are_counted_through_quoted_line_ends(parsed: Parse) -> None:
    labels = parsed(b'patient_id,x\nP1,"a\nb"\n\nP2,2\n')
    assert [row.line for row in labels.rows] == [2, 5]


def test_a_file_without_rows_has_no_labels(parsed: Parse) -> None:
    assert parsed(b"patient_id,x\n").rows == ()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no column of subjects or paths"),
        (b"name,x\nP1,1\n", "no column of subjects or paths"),
        (b"patient_id\nP1\n", "no column of labels"),
        (b"patient_id,\nP1,1\n", "no name"),
        (b"patient_id,x,x\nP1,1,2\n", "twice"),
        (b'patient_id,x\nP1,"open\nP2,1\n', "not well-formed"),
        (b"patient_id,x\nP1,\0\n", "NUL"),
    ],
)
def test_an_unusable_file_is_refused(parsed: Parse, content: bytes, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        parsed(content)


def test_a_missing_key_column_names_those_that_exist(parsed: Parse) -> None:
    with pytest.raises(BadInput) as refused:
        parsed(b"name;grade\nP1;2\n")
    assert refused.value.hint == "columns that exist: name, grade"


@pytest.mark.parametrize(
    "content",
    [b"P0001,Anna,f\nP0002,Hans,m\n", b"Anna,61\n", b"Anna,,f\n", b"Anna,Anna\n"],
)
def test_a_file_without_a_header_shows_no_patient(parsed: Parse, content: bytes) -> None:
    with pytest.raises(BadInput) as refused:
        parsed(content)
    assert refused.value.hint == "its first line must name the columns"


def test_named_columns_must_exist(parsed: Parse) -> None:
    with pytest.raises(BadInput, match="no column 'grade'"):
        parsed(
            b"patient_id,x\nP1,1\n", LabelRules(subject_column="patient_id", columns=("grade",))
        )
    with pytest.raises(BadInput, match="no column 'image'"):
        parsed(b"patient_id,x\nP1,1\n", LabelRules("local", "patient_id", "image"))


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        parse_labels(tmp_path / "none.csv", BY_SUBJECT)
