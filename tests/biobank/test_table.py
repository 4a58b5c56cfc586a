"""A table split by subject comes back byte for byte, and no row lands with the wrong one."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloister.biobank.items import Quarantine
from cloister.biobank.layout import Layout, Run, join, rows_of
from cloister.biobank.reading import Span
from cloister.biobank.records import Grammar, Unsplittable
from cloister.biobank.tables import Split, read_header, split
from cloister.core.errors import Tampered

GOLDEN = Path(__file__).parents[1] / "golden"


def taken_apart(table: bytes, column: str = "id", block: int = 1 << 20) -> Split:
    header = read_header(table, column)
    blocks = [table[at : at + block] for at in range(len(header.raw), len(table), block)]
    return split(blocks, header, column, "local")


def objects(table: bytes, found: Split) -> dict[int, bytes]:
    def read(spans: Iterable[Span]) -> Iterator[bytes]:
        for offset, size in spans:
            yield table[offset : offset + size]

    return {number: b"".join(part.encode(read)) for number, part in enumerate(found.parts)}


def subjects(found: Split) -> list[str | None]:
    return [part.subject and part.subject.local_id for part in found.parts]


def back(table: bytes, column: str = "id", block: int = 1 << 20) -> bytes:
    found = taken_apart(table, column, block)
    return join(found.layout.encode(), objects(table, found)).content


def test_rows_go_to_their_subjects_and_come_back() -> None:
    table = b"id,age\nA,1\nB,2\nA,3\n"
    found = taken_apart(table)
    parts = objects(table, found)
    assert subjects(found) == ["A", "B"]
    assert list(rows_of(parts[0])) == [b"A,1\n", b"A,3\n"]
    assert join(found.layout.encode(), parts).content == table


@pytest.mark.parametrize(
    "table",
    [
        b"\xef\xbb\xbfid,x\nA,1\n",
        b"id,x\r\nA,1\r\nB,2\r\n",
        b"id,x\rA,1\rB,2\r",
        b'id,x\nA,"one\ntwo"\nB,"a,b"\nA,"say ""x"""\n',
        b"id,x\nA,1\nB,2",
        b"id,x\nA,1\nA,1\nA,1\n",
        b"id,x\n",
        b"id,x",
        b"id;x\nA;1,5\n",
        b"id\tx\nA\t1\n",
        b"x|id\n1|A\n",
        b"id,x\nA,1\n\n\nB,2\n,,\n \n",
        b'"id","x"\n"A","1"\nA,2\n',
        b"id,x\nA,\xff\xfe\n",
        b"id,x\nA,1\r\nB,2\n",
        b'id,x\nA,"one\rtwo"\n',
    ],
)
def test_every_dialect_comes_back_byte_for_byte(table: bytes) -> None:
    for block in (1, 2, 3, 7, 1 << 20):
        assert back(table, block=block) == table


# No \r: before Python 3.13 the writer left it unquoted, which no reader takes back.
CELL = st.text(st.sampled_from('ab1",;\t\n é'), max_size=6)


@settings(max_examples=200)
@given(
    rows=st.lists(st.tuples(st.sampled_from(["A", "B", "", "Ü"]), CELL, CELL), max_size=12),
    end=st.sampled_from(["\n", "\r\n"]),
    delimiter=st.sampled_from(",;\t|"),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    block=st.integers(1, 40),
)
def test_what_pythons_csv_writes_comes_back_and_is_sorted_as_it_reads(
    rows: list[tuple[str, str, str]], end: str, delimiter: str, quoting: int, block: int
) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writerow(["id", "x", "y"])
    writer.writerows(rows)
    table = out.getvalue().encode()
    found = taken_apart(table, block=block)
    parts = objects(table, found)
    assert join(found.layout.encode(), parts).content == table
    for number, part in enumerate(found.parts):
        if part.subject is not None:
            text = b"".join(rows_of(parts[number])).decode()
            read = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
            assert {row[0].strip() for row in read} == {part.subject.local_id}


@settings(max_examples=300)
@given(body=st.binary(max_size=120), block=st.integers(1, 60))
def test_any_bytes_come_back_or_are_refused_whole(body: bytes, block: int) -> None:
    table = b"x,id\n" + body
    try:
        found = taken_apart(table, block=block)
    except Unsplittable as error:
        refused = error.why
    else:
        assert join(found.layout.encode(), objects(table, found)).content == table
        return
    assert refused in {Quarantine.TABLE_NUL, Quarantine.TABLE_MALFORMED}


ALPHABET = st.lists(st.sampled_from([b"A", b"B", b",", b'"', b"\n", b"\r", b" "]), max_size=40)


@settings(max_examples=500)
@given(body=ALPHABET.map(b"".join), block=st.integers(1, 20))
def test_how_a_table_is_cut_into_blocks_changes_nothing(body: bytes, block: int) -> None:
    table = b"x,id\n" + body

    def outcome(size: int) -> object:
        try:
            found = taken_apart(table, block=size)
        except Unsplittable as error:
            return error.why
        return found.layout, subjects(found), objects(table, found)

    assert outcome(block) == outcome(1 << 20)


@settings(max_examples=500)
@given(line=ALPHABET.map(b"".join))
def test_the_fast_way_reads_a_line_as_the_careful_way_does(line: bytes) -> None:
    line = b'"' + line.replace(b"\n", b"").replace(b"\r", b"") + b"\n"
    grammar = Grammar(b",", 1)
    try:
        careful = grammar._lines(line, 0, last=True)
    except Unsplittable:
        careful = None
    assert grammar._one_line(line, len(line)) == careful


def test_rows_of_an_erased_subject_are_left_out_and_counted() -> None:
    table = b"id,x\nA,1\nB,2\nA,3\n"
    found = taken_apart(table)
    parts = objects(table, found)
    joined = join(found.layout.encode(), {1: parts[1]})
    assert joined.content == b"id,x\nB,2\n"
    assert (joined.rows, joined.missing_rows, joined.missing_parts) == (1, 2, 1)


def test_a_layout_holds_no_cell() -> None:
    table = b"id,x\nP0001,canary\nP0002,secret\n"
    layout = taken_apart(table).layout.encode()
    for cell in (b"P000", b"canary", b"secret"):
        assert cell not in layout


def test_the_same_rows_make_the_same_object_in_another_table() -> None:
    first, second = b"id,x\nA,1\nB,2\n", b"id,x\nC,9\nB,2\nA,1\n"
    one = set(objects(first, taken_apart(first)).values())
    two = set(objects(second, taken_apart(second)).values())
    assert one < two


def test_a_part_of_another_length_is_refused() -> None:
    table = b"id,x\nA,1\nB,2\nB,3\n"
    found = taken_apart(table)
    parts = objects(table, found)
    for wrong in ({0: parts[1]}, {1: parts[0]}, {5: parts[0]}, {0: parts[0][:-1]}, {0: b"no"}):
        with pytest.raises(Tampered):
            join(found.layout.encode(), wrong)


def test_a_layout_reads_back() -> None:
    layout = taken_apart(b"\xef\xbb\xbfx;id\n1;A\n\n2;B\n").layout
    assert Layout.decode(layout.encode()) == layout
    assert list(layout.steps()) == [Run(0, 1), b"\n", Run(1, 1)]


def test_objects_are_those_of_the_golden_file() -> None:
    table = (GOLDEN / "table-layout-1.csv").read_bytes()
    found = taken_apart(table, "patient_id")
    lines = [f"layout {found.layout.encode().hex()}"]
    lines += [f"rows {n} {part.hex()}" for n, part in objects(table, found).items()]
    assert "\n".join(lines) + "\n" == (GOLDEN / "table-layout-1.hex").read_text()


def test_the_golden_objects_make_the_golden_table() -> None:
    stored: dict[str, bytes] = {}
    for line in (GOLDEN / "table-layout-1.hex").read_text().splitlines():
        name, _, encoded = line.rpartition(" ")
        stored[name] = bytes.fromhex(encoded)
    layout = stored.pop("layout")
    parts = {int(name.removeprefix("rows ")): part for name, part in stored.items()}
    assert join(layout, parts).content == (GOLDEN / "table-layout-1.csv").read_bytes()


@given(encoded=st.binary(max_size=60))
def test_a_damaged_object_is_refused(encoded: bytes) -> None:
    for damaged in (encoded, b"CLTL\x01" + encoded):
        with contextlib.suppress(Tampered):
            join(damaged, {0: b"CLRW\x01" + encoded})
