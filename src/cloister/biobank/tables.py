"""One table of many subjects, split so that each one's rows can be sealed by themselves."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from cloister.biobank.items import Quarantine
from cloister.biobank.layout import Layout, Order, rows_header
from cloister.biobank.reading import Span
from cloister.biobank.records import BOM, LONGEST_ROW, Grammar, Row, Unsplittable
from cloister.core.columns import showable
from cloister.core.errors import BadInput
from cloister.core.subjects import Identity

HEADER_BYTES = 1 << 20
"""A header is looked for in this much of a table's beginning."""
SUFFIXES = (".csv", ".tsv")
_DELIMITERS = (b",", b";", b"\t", b"|")

Spans = Callable[[Iterable[Span]], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class Header:
    """The first record of a table, and how the table is written."""

    raw: bytes = field(repr=False)
    names: tuple[str, ...] = field(repr=False)
    delimiter: bytes
    carriage_return: bool
    below: tuple[str, ...] = field(default=(), repr=False)
    """The record after it: what tells a header from a row of data."""

    def column(self, name: str) -> int:
        """The place of a column; raises Unsplittable when it is absent or there twice."""
        found = [place for place, other in enumerate(self.names) if other == name]
        if not found:
            raise Unsplittable(Quarantine.MISSING_COLUMN)
        if len(found) > 1:
            raise Unsplittable(Quarantine.DUPLICATE_COLUMN)
        return found[0]


@dataclass(slots=True)
class Part:
    """The rows of one subject, or one row that is nobody's."""

    subject: Identity | None = field(repr=False)
    quarantine: Quarantine | None
    ragged_rows: int = 0
    _places: array[int] = field(default_factory=lambda: array("Q"), repr=False)
    """Offset << 24 | size: eight bytes a row, however large the table."""

    def add(self, row: Row, regular: bool) -> None:
        """One more row; raises Unsplittable if it is too long to be one."""
        size = len(row[1])
        if size > LONGEST_ROW:
            raise Unsplittable(Quarantine.TABLE_MALFORMED)
        self._places.append(row[0] << 24 | size)
        if not regular:
            self.ragged_rows += 1

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self._places)

    def _sizes(self) -> list[int]:
        return [place & 0xFFFFFF for place in self._places]

    @property
    def size_bytes(self) -> int:
        """Of the object that ``encode`` gives."""
        sizes = self._sizes()
        return len(rows_header(sizes)) + sum(sizes)

    def spans(self) -> Iterator[Span]:
        """Where the rows lie, neighbours taken together."""
        start = end = 0
        for place in self._places:
            offset, size = place >> 24, place & 0xFFFFFF
            if offset != end and end > start:
                yield Span(start, end - start)
                start = offset
            elif end == start:
                start = offset
            end = offset + size
        if end > start:
            yield Span(start, end - start)

    def encode(self, read: Spans) -> Iterator[bytes]:
        """The object that holds the rows, their bytes taken from ``read``."""
        yield rows_header(self._sizes())
        yield from read(self.spans())


@dataclass(frozen=True, slots=True)
class Split:
    """A table taken apart."""

    layout: Layout
    parts: tuple[Part, ...]
    rows: int


def split(blocks: Iterable[bytes], header: Header, column: str, issuer: str) -> Split:
    """Assigns every row after the header to a part, in one pass.

    ``blocks`` are the bytes after ``header.raw``. Rows with no cells are part of the layout.
    A row whose cells are not as many as the header's is somebody's only if the subject
    column comes first: elsewhere a stray delimiter may have moved another cell into it.
    Raises Unsplittable when it is not certain where rows end.
    """
    place = header.column(column)
    grammar = Grammar(header.delimiter, place, carriage_return=header.carriage_return)
    sorter = _Sorter(place, len(header.names), header.delimiter, issuer)
    rows = 0
    for row in grammar.rows(blocks, len(header.raw)):
        sorter.place(row)
        rows += 1
    layout = Layout(header.delimiter.decode(), place, header.raw, sorter.order())
    return Split(layout, tuple(sorter.parts), rows)


class _Sorter:
    """Gives each row its part, and remembers the order they came in."""

    def __init__(self, column: int, width: int, delimiter: bytes, issuer: str) -> None:
        self.parts: list[Part] = []
        self._column = column
        self._width = width
        self._blank = delimiter + b" \t\r\n"
        self._issuer = issuer
        self._by_cell: dict[bytes, int] = {}
        self._by_subject: dict[Identity, int] = {}
        self._order = Order()
        self._last = -1
        self._run = 0

    def place(self, row: Row) -> None:
        """One row after the other."""
        _, text, cells, cell = row
        regular = cells == self._width
        part = None
        if cell is not None and (regular or not self._column):
            part = self._by_cell.get(cell)
        if part is None:
            if not text.strip(self._blank):
                self._end_run()
                self._order.blank(text)
                return
            part = self._new_part(row, regular)
        self.parts[part].add(row, regular)
        if part != self._last:
            self._end_run()
            self._last = part
        self._run += 1

    def order(self) -> bytes:
        """The order of all rows placed."""
        self._end_run()
        return self._order.encode()

    def _end_run(self) -> None:
        if self._run:
            self._order.run(self._last, self._run)
        self._last, self._run = -1, 0

    def _new_part(self, row: Row, regular: bool) -> int:
        """The part of a subject not met in this spelling yet, or of a row that is nobody's."""
        if row.cell is None or not (regular or not self._column):
            return self._append(None, Quarantine.RAGGED_ROW)
        if not row.cell.strip():
            return self._append(None, Quarantine.NO_SUBJECT)
        try:
            subject = Identity.of(self._issuer, row.cell.decode())
        except (UnicodeDecodeError, BadInput):
            return self._append(None, Quarantine.BAD_SUBJECT)
        part = self._by_subject.get(subject)
        if part is None:
            part = self._by_subject[subject] = self._append(subject, None)
        self._by_cell[row.cell] = part
        return part

    def _append(self, subject: Identity | None, quarantine: Quarantine | None) -> int:
        self.parts.append(Part(subject, quarantine))
        return len(self.parts) - 1


def read_header(beginning: bytes, column: str | None = None) -> Header:
    """The header of a table, from its first bytes (all of them, or HEADER_BYTES).

    The delimiter is the first of comma, semicolon, tab and bar with which the header has the
    column; without such a column, the one that gives most names. Raises Unsplittable.
    """
    if b"\0" in beginning:
        raise Unsplittable(Quarantine.TABLE_NUL)
    whole = len(beginning) < HEADER_BYTES
    tried = [_header(beginning, mark, whole) for mark in _DELIMITERS]
    found = [header for header in tried if header is not None]
    for header in found:
        if column in header.names:
            return header
    if not found:
        raise Unsplittable(Quarantine.TABLE_MALFORMED)
    return max(found, key=lambda header: len(header.names))


def _header(beginning: bytes, delimiter: bytes, whole: bool) -> Header | None:
    start = len(BOM) if beginning.startswith(BOM) else 0
    for carriage_return in (False, True):
        grammar = Grammar(delimiter, carriage_return=carriage_return)
        try:
            found = grammar.record(beginning, start, last=whole)
        except Unsplittable:
            continue
        if found is not None:
            end, cells = found
            below = _record_below(grammar, beginning, end, whole)
            return Header(beginning[:end], _names(cells), delimiter, carriage_return, below)
    return None


def _record_below(grammar: Grammar, text: bytes, at: int, whole: bool) -> tuple[str, ...]:
    try:
        found = grammar.record(text, at, last=whole)
    except Unsplittable:
        return ()
    return _names(found[1]) if found is not None else ()


def _names(cells: Iterable[bytes]) -> tuple[str, ...]:
    return tuple(cell.decode("utf-8", "replace").strip() for cell in cells)


def column_names(headers: Iterable[Header]) -> tuple[str, ...]:
    """The names that may be shown to a user whose column was not found."""
    names = (name for header in headers for name in showable(header.names, header.below))
    return tuple(dict.fromkeys(names))


def is_table(path: str) -> bool:
    """Whether a file is taken for a table, by its name."""
    return path.lower().endswith(SUFFIXES)
