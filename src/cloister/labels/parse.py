"""Labels in a delimited file: which record or subject each is for, and what it says."""

from __future__ import annotations

import csv
import io
import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cloister.core.codes import Code
from cloister.core.columns import showable
from cloister.core.errors import BadInput, NotFound
from cloister.core.subjects import Identity

LARGEST_BYTES = 256 << 20
PATH_COLUMNS = ("path", "file", "filename")
"""Names a column of paths has when none is given."""
_DELIMITERS = ",;\t|"


class LabelProblem(Code):
    """Why a line gives no label."""

    RAGGED_ROW = "ragged-row", "another number of cells than the header"
    NO_KEY = "no-key", "nothing says which record or subject it is for"
    BAD_SUBJECT = "bad-subject", "its subject id is not UTF-8 text of 1 to 256 characters"
    PATH_OUTSIDE = "path-outside", "a path that leads out of the folder"
    NO_VALUE = "no-value", "all its label cells are empty"
    NOT_UTF8 = "not-utf8", "bytes that are not UTF-8"
    DUPLICATE_ROW = "duplicate-row", "the same key and values as an earlier line"
    # For whoever matches labels to records:
    UNKNOWN_SUBJECT = "unknown-subject", "no record of this subject was added"
    UNKNOWN_PATH = "unknown-path", "no record was added from this path"


@dataclass(frozen=True, slots=True)
class LabelRules:
    """How to read a file of labels."""

    issuer: str = "local"
    subject_column: str | None = None
    path_column: str | None = None
    """Absent: the first of PATH_COLUMNS that the file has."""
    columns: tuple[str, ...] = ()
    """The label columns; none: every column but the keys."""
    folder: Path | None = None
    """The folder that was added: absolute paths below it count as relative ones."""


@dataclass(frozen=True, slots=True)
class LabelRow:
    """One reading; at least one of ``subject`` and ``path`` is there."""

    line: int
    subject: Identity | None = field(repr=False)
    path: str | None = field(repr=False)
    """Relative, normalised; names the record more exactly than the subject does."""
    schema: str
    """What was asked: the column's name."""
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class LabelIssue:
    """A line that gives no label."""

    line: int
    problem: LabelProblem


@dataclass(frozen=True, slots=True)
class Labels:
    """A file of labels: every line is among the rows, the issues, or blank."""

    columns: tuple[str, ...]
    rows: tuple[LabelRow, ...]
    issues: tuple[LabelIssue, ...]


def parse_labels(file: Path, rules: LabelRules) -> Labels:
    """The labels in a comma-, semicolon-, tab- or bar-separated file with a header.

    Lines that cannot be used are issues; raises NotFound or BadInput for a file that cannot
    be used at all: unreadable, binary, quotes that do not close, no key column, no such
    label column.
    """
    text = _text(file)
    delimiter, header = _header(text, rules)
    keys = _Keys.find(header, rules)
    places = _label_places(header, rules, keys)
    rows: list[LabelRow] = []
    issues: list[LabelIssue] = []
    seen: set[tuple[Identity | None, str | None, tuple[str, ...]]] = set()
    for line, cells in _records(text, delimiter):
        found = _read_row(cells, len(header), keys, places)
        if isinstance(found, LabelProblem):
            issues.append(LabelIssue(line, found))
            continue
        subject, path, values = found
        if found in seen:
            issues.append(LabelIssue(line, LabelProblem.DUPLICATE_ROW))
            continue
        seen.add(found)
        rows += [
            LabelRow(line, subject, path, header[place], value)
            for place, value in zip(places, values, strict=True)
            if value
        ]
    return Labels(tuple(header[place] for place in places), tuple(rows), tuple(issues))


def _text(file: Path) -> str:
    """The file as text; a byte that is not UTF-8 becomes a lone surrogate."""
    try:
        with file.open("rb") as stream:
            raw = stream.read(LARGEST_BYTES + 1)
    except FileNotFoundError:
        raise NotFound("there is no such file of labels") from None
    except OSError as error:
        raise BadInput(f"the file of labels cannot be read: {error.strerror}") from None
    if len(raw) > LARGEST_BYTES:
        raise BadInput(f"the file of labels is larger than {LARGEST_BYTES >> 20} MiB")
    if b"\0" in raw:
        raise BadInput("the file of labels holds NUL bytes", hint="save it as CSV in UTF-8")
    return raw.decode("utf-8-sig", "surrogateescape")


def _records(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The records after the header, with the line each begins at; blank ones left out."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        next(reader, None)
        line = reader.line_num + 1
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise BadInput(
            f"the file of labels is not well-formed at line {reader.line_num}: {error}",
            hint="look for a quote that does not close",
        ) from None


def _header(text: str, rules: LabelRules) -> tuple[str, list[str]]:
    """The delimiter with which the first record has a key column, and that record."""
    wanted = {rules.subject_column, rules.path_column} - {None}
    for names in (wanted, set(PATH_COLUMNS) if rules.path_column is None else set()):
        for delimiter in _DELIMITERS:
            header = _first(text, delimiter)[0]
            if names.intersection(header):
                return delimiter, header
    raise BadInput("the file of labels has no column of subjects or paths", hint=_hint(text))


def _hint(text: str) -> str:
    first, second = max((_first(text, d) for d in _DELIMITERS), key=lambda two: len(two[0]))
    names = ", ".join(showable(first, second))
    return f"columns that exist: {names}" if names else "its first line must name the columns"


def _first(text: str, delimiter: str) -> tuple[list[str], list[str]]:
    """The first two records, as this delimiter has them."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        first, second = next(reader, []), next(reader, [])
    except csv.Error:
        return [], []
    return [cell.strip() for cell in first], [cell.strip() for cell in second]


@dataclass(frozen=True, slots=True)
class _Keys:
    """Which columns say what a label is for."""

    issuer: str
    subject: int | None
    path: int | None
    folder: Path | None

    @classmethod
    def find(cls, header: Sequence[str], rules: LabelRules) -> _Keys:
        names = PATH_COLUMNS if rules.path_column is None else (rules.path_column,)
        named = next((name for name in names if name in header), None)
        if rules.path_column is not None and named is None:
            raise BadInput(f"the file of labels has no column {rules.path_column!r}")
        subject = None
        if rules.subject_column is not None and rules.subject_column in header:
            subject = _place(header, rules.subject_column)
        return cls(
            rules.issuer,
            subject,
            None if named is None else _place(header, named),
            rules.folder,
        )

    def of(self, cells: Sequence[str]) -> tuple[Identity | None, str | None] | LabelProblem:
        """What a record's labels are for."""
        subject, path = None, None
        if self.subject is not None and cells[self.subject].strip():
            try:
                subject = Identity.of(self.issuer, cells[self.subject])
            except BadInput:
                return LabelProblem.BAD_SUBJECT
        if self.path is not None and cells[self.path].strip():
            path = self._relative(cells[self.path].strip())
            if path is None:
                return LabelProblem.PATH_OUTSIDE
        if subject is None and path is None:
            return LabelProblem.NO_KEY
        return subject, path

    def _relative(self, text: str) -> str | None:
        path = posixpath.normpath(text)
        if posixpath.isabs(path):
            if self.folder is None:
                return None
            path = posixpath.relpath(path, self.folder)
        outside = path in {".", ".."} or path.startswith("../")
        return None if outside else path


def _label_places(header: Sequence[str], rules: LabelRules, keys: _Keys) -> tuple[int, ...]:
    if rules.columns:
        return tuple(_place(header, name) for name in rules.columns)
    others = [
        name for place, name in enumerate(header) if place not in (keys.subject, keys.path)
    ]
    if not others:
        raise BadInput("the file of labels has a key column, but no column of labels")
    if "" in others:
        raise BadInput("a column of the file of labels has no name")
    return tuple(_place(header, name) for name in others)


def _place(header: Sequence[str], name: str) -> int:
    if header.count(name) != 1:
        raise BadInput(
            f"the file of labels has the column {name!r} twice"
            if name in header
            else f"the file of labels has no column {name!r}"
        )
    return header.index(name)


def _read_row(
    cells: list[str], width: int, keys: _Keys, places: Sequence[int]
) -> tuple[Identity | None, str | None, tuple[str, ...]] | LabelProblem:
    if len(cells) != width:
        return LabelProblem.RAGGED_ROW
    key = keys.of(cells)
    if isinstance(key, LabelProblem):
        return key
    values = tuple(cells[place].strip() for place in places)
    if not any(values):
        return LabelProblem.NO_VALUE
    try:
        "".join(values).encode()
    except UnicodeEncodeError:
        return LabelProblem.NOT_UTF8
    return (*key, values)
