"""From a folder to items: every entry is given, whose it is or why it cannot be used."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from cloister.biobank.dicom import is_dicom
from cloister.biobank.files import File
from cloister.biobank.items import Item, Kind, Quarantine, SubjectRules
from cloister.biobank.pictures import is_picture
from cloister.biobank.records import Unsplittable
from cloister.biobank.tables import HEADER_BYTES, Header, column_names, is_table, read_header
from cloister.biobank.tree import Root, entries, open_entry
from cloister.core.errors import BadInput

_MOST_NAMED = 5


def walk(path: Path, rules: SubjectRules, *, part: bool = False) -> Iterator[Item]:
    """Every entry under a folder (or the one file at ``path``), ordered by the bytes of names.

    Nothing is left out: what cannot be used is an item with a quarantine code. The parts of
    a table follow its layout. Raises NotFound or BadInput before the first item when there
    is nothing at ``path``, the rules cannot be used, or no table has the subject column;
    later, BadInput when DICOM files appear and pydicom is not installed. What is ``part`` of
    a folder need have no table: whoever has all of it calls `check_column`.
    """
    rules.check()
    root = Root.find(path)
    if rules.column is not None and not part:
        _refuse_unknown(list(_headers(root, rules.column)), rules.column)
    return _items(root, rules)


def check_column(beginnings: Iterable[bytes], column: str) -> None:
    """Refuses a column that no table has, by their first HEADER_BYTES; raises BadInput."""
    _refuse_unknown([_header(beginning, column) for beginning in beginnings], column)


def _refuse_unknown(tables: Sequence[Header | Quarantine], column: str) -> None:
    """A typing mistake, not a state of the data."""
    headers = [table for table in tables if isinstance(table, Header)]
    if any(column in header.names for header in headers):
        return
    said = []
    if names := column_names(headers):
        said.append(f"columns that exist: {', '.join(names)}")
    # A file's name may be a patient's: its place among them says which one it is.
    broken = [(n, one) for n, one in enumerate(tables, 1) if isinstance(one, Quarantine)]
    said += [f"the file that is {n} by name: {one.reason}" for n, one in broken[:_MOST_NAMED]]
    raise BadInput(
        f"no .csv or .tsv file that can be split has the subject column {column!r}"
        if tables
        else f"the subject column is {column!r}, but there is no .csv or .tsv file",
        hint="; ".join(said) or None,
    )


def _headers(root: Root, column: str) -> Iterator[Header | Quarantine]:
    for entry in entries(root):
        if not is_table(entry.path):
            continue
        opened = open_entry(root, entry)
        if isinstance(opened, Quarantine):
            yield opened
            continue
        try:
            yield _header(os.pread(opened.descriptor, HEADER_BYTES, 0), column)
        except OSError:
            yield Quarantine.UNREADABLE
        finally:
            os.close(opened.descriptor)


def _header(beginning: bytes, column: str) -> Header | Quarantine:
    """A table's header, or why it has none."""
    try:
        return read_header(beginning, column)
    except Unsplittable as error:
        return error.why


def _items(root: Root, rules: SubjectRules) -> Iterator[Item]:
    for entry in entries(root):
        opened = open_entry(root, entry)
        if isinstance(opened, Quarantine):
            yield Item(entry.path, Kind.FILE, quarantine=opened)
            continue
        try:
            file = File.read(entry.path, root.folder, opened, rules)
            if file is None:
                yield Item(entry.path, Kind.FILE, quarantine=Quarantine.CHANGING)
            else:
                yield from _of_file(file)
        except OSError:  # the disk, or a network mount, gives no bytes
            yield Item(entry.path, Kind.FILE, quarantine=Quarantine.UNREADABLE)
        finally:
            os.close(opened.descriptor)


def _of_file(file: File) -> Iterator[Item]:
    if is_dicom(file.path, file.beginning):
        yield file.scan()
    elif file.rules.column is not None and is_table(file.path):
        yield from file.table(file.rules.column)
    elif is_picture(file.path, file.beginning):
        yield file.picture()
    else:
        yield file.plain()
