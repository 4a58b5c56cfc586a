"""Where each row of a delimited table begins and ends, and the one cell that says whose it is.

The grammar is RFC 4180's as Python and pandas read it: a cell that begins with a quote runs to
its closing quote, over line ends; a quote later in a cell is a letter. What RFC 4180 leaves
open (a letter after the closing quote, a quote never closed, a lone carriage return in a file
of other line ends) is refused: a wrong guess would put one patient's rows under another's key.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Generator, Iterable, Iterator
from typing import NamedTuple

from cloister.biobank.items import Quarantine

LONGEST_ROW = (1 << 24) - 1  # bytes
BOM = b"\xef\xbb\xbf"
_QUOTED = re.compile(rb'"(?:[^"]++|"")*+"')


class Unsplittable(Exception):
    """The table cannot be taken apart row by row; it is kept whole, in quarantine."""

    def __init__(self, why: Quarantine) -> None:
        super().__init__(why)
        self.why = why


class Row(NamedTuple):
    """One record of a table, line end included."""

    start: int
    text: bytes
    cells: int
    cell: bytes | None
    """The cell asked for, unquoted; None when the row is too short to have it."""


class Grammar:
    """The rows of a table with one delimiter, of which one column matters."""

    def __init__(self, delimiter: bytes, column: int = 0, *, carriage_return: bool = False):
        self.delimiter = delimiter
        self._letter = delimiter.decode("ascii")
        self.column = column
        self.carriage_return = carriage_return  # rows end with a lone \r, as on old Macs
        mark = re.escape(delimiter)
        # Possessive, so that no input makes the match go back over what it has seen.
        self._cell = re.compile(
            rb'(?:"((?:[^"]++|"")*+)"|((?:[^"\r\n' + mark + rb"][^\r\n" + mark + rb"]*+)?+))"
            rb"(" + mark + rb"|\r\n|\n|\r|\Z)"
        )

    def record(self, text: bytes, start: int, *, last: bool) -> tuple[int, list[bytes]] | None:
        """Where the record at ``start`` ends, and its cells; None when more text is needed.

        ``last`` says that no more follows. Raises Unsplittable.
        """
        cells: list[bytes] = []
        at = start
        while True:
            match = self._cell.match(text, at)
            if match is None:
                quoted = _QUOTED.match(text, at)
                if last or (quoted is not None and quoted.end() < len(text)):
                    raise Unsplittable(Quarantine.TABLE_MALFORMED)
                return None
            quoted_cell, plain, end = match.groups()
            at = match.end()
            if at == len(text) and not last and end not in {b"\n", b"\r\n"}:
                return None  # cut inside a cell, or between \r and \n
            cells.append(plain if quoted_cell is None else quoted_cell.replace(b'""', b'"'))
            if end != self.delimiter:
                self._check_end(end)
                return at, cells

    def _check_end(self, end: bytes) -> None:
        if end and (end == b"\r") != self.carriage_return:
            raise Unsplittable(Quarantine.TABLE_MALFORMED)

    def rows(self, blocks: Iterable[bytes], base: int = 0) -> Iterator[Row]:
        """Every row of a table given in blocks; ``base`` is the offset of the first block.

        Raises Unsplittable.
        """
        rest = b""
        for block in blocks:
            if b"\0" in block:
                raise Unsplittable(Quarantine.TABLE_NUL)
            text = rest + block
            used = yield from self._whole_rows(text, base, last=False)
            rest = text[used:]
            base += used
            if len(rest) > LONGEST_ROW:
                raise Unsplittable(Quarantine.TABLE_MALFORMED)
        yield from self._whole_rows(rest, base, last=True)

    def _whole_rows(self, text: bytes, base: int, *, last: bool) -> Generator[Row, None, int]:
        """Gives the rows that end inside ``text``, returns how much of it they are."""
        delimiter, column = self.delimiter, self.column
        ending = b"\r" if self.carriage_return else b"\n"
        at = resume = 0
        for line in text.splitlines(keepends=True):
            start = at
            at += len(line)
            if start < resume:
                continue  # inside a quoted cell that held a line end
            if b'"' in line:
                found = self._one_line(line, at) or self._lines(text, start, last)
                if found is None:
                    return start
                resume, width, cell = found
                yield Row(base + start, text[start:resume], width, cell)
                continue
            if at == len(text) and not last and not line.endswith(b"\n"):
                return start
            if not line.endswith(ending):
                self._check_end(line[len(line.rstrip(b"\r\n")) :][-1:])
            width = line.count(delimiter) + 1
            cell = line.split(delimiter, column + 1)[column] if width > column else None
            if width == column + 1 and cell is not None:
                cell = cell.rstrip(b"\r\n")
            yield Row(base + start, line, width, cell)
        return max(at, resume)

    def _one_line(self, line: bytes, end: int) -> tuple[int, int, bytes | None] | None:
        """What ``_lines`` gives, six times as fast, for a record that is plainly one line."""
        if self.carriage_return or not line.endswith(b"\n"):
            return None
        # Latin-1 gives every byte a letter, so that cells come back as they were.
        reader = csv.reader((line.decode("latin-1"),), delimiter=self._letter, strict=True)
        try:
            cells = next(reader)
        except csv.Error:  # it goes on after the line end, or is not well-formed
            return None
        width, column = len(cells), self.column
        return end, width, cells[column].encode("latin-1") if width > column else None

    def _lines(
        self, text: bytes, start: int, last: bool
    ) -> tuple[int, int, bytes | None] | None:
        """Where the record at ``start`` ends, how many cells it has, and the one wanted."""
        found = self.record(text, start, last=last)
        if found is None:
            return None
        end, cells = found
        return end, len(cells), cells[self.column] if len(cells) > self.column else None
