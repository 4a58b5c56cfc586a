"""From a dataset version to files: what a job, or the person who asked, gets to see."""

from __future__ import annotations

import contextlib
import os
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from cloister.biobank import Kind, join
from cloister.core.errors import NotFound, Tampered
from cloister.core.events import Transaction
from cloister.core.ids import SubjectId
from cloister.datasets import records, splits
from cloister.datasets.meta import RecordMeta
from cloister.datasets.records import Record
from cloister.datasets.versions import DatasetVersion
from cloister.identity import subjects
from cloister.keys.seal import SealedReader, open_sealed
from cloister.workflows.lab import Lab
from cloister.workflows.unseal import Unsealed, unsealed

_WHOLE = 8 << 20
"""Sealed objects up to this size are opened in memory, larger ones frame by frame."""
_FOLDERS_OPEN = 200
"""Few enough for the usual limit of 1024 descriptors, enough for neighbours to be near."""


@dataclass(frozen=True, slots=True)
class View:
    """A version, or one part of a split of it."""

    version: DatasetVersion
    records: tuple[Record, ...] = field(repr=False)
    part: str = ""


@dataclass(slots=True)
class Written:
    """What was written, and what could not be."""

    files: int = 0
    records: int = 0
    size_bytes: int = 0
    erased: int = 0
    """Records whose key was destroyed: left out."""


def view(
    tx: Transaction, version: DatasetVersion, part: str = "", at: int | None = None
) -> View:
    """The records of ``version``, or of ``part`` (``split:part``) of it.

    Patients are dealt out by the names they have now, or had at a place ``at`` in the ledger.
    """
    members = records.of_version(tx, version.dataset, version.number)
    if not part:
        return View(version, tuple(members))
    name, _, wanted = part.partition(":")
    split = splits.find(tx, version.dataset, name)
    if wanted not in dict(split.parts):
        known = ", ".join(f"{name}:{part}" for part, _ in split.parts)
        raise NotFound(f"split {name} has no such part", hint=f"parts: {known}")
    patients: dict[str, str] = {
        r.subject: min(subjects.closure(tx, r.subject, at))
        for r in members
        if isinstance(r.subject, SubjectId)
    }
    chosen = splits.assign(split, list(patients), patients)
    mine = [r for r in members if chosen.get(r.subject, wanted) == wanted]
    return View(version, tuple(mine), part)


def materialise(lab: Lab, members: Sequence[Record], folder: int) -> Written:
    """Writes the plaintext of ``members`` below the directory ``folder`` is open on.

    Tables come back byte-identical while all their subjects are there. Raises Tampered for
    bytes that fail authentication and for paths no folder could have held.
    """
    written = Written()
    opened = list(unsealed(lab, [record for record in members if record.object]))
    written.erased = len(members) - len(opened)
    target, tables = _Target(folder), _Tables()
    try:
        for record, plain, chunks in plaintexts(lab, opened):
            if record.kind in {Kind.ROWS, Kind.LAYOUT}:
                tables.collect(plain, record.kind, b"".join(chunks))
            else:
                written.size_bytes += target.write(plain.path, chunks, plain.mtime_ns)
                written.files += 1
            written.records += 1
        for path, content in tables.joined():
            written.size_bytes += target.write(path, (content,), 0)
            written.files += 1
    finally:
        target.close()
    return written


def plaintexts(
    lab: Lab, opened: Sequence[Unsealed]
) -> Iterator[tuple[Record, RecordMeta, Iterable[bytes]]]:
    """Each record's plaintext, small objects in the order they lie in the store."""
    small: dict[str, list[Unsealed]] = {}
    for one in opened:
        record = one.record
        assert record.object is not None
        if record.size_bytes > _WHOLE:
            read_at, size = lab.store.open(record.object)
            yield record, one.meta, SealedReader(read_at, size, one.key, record.seal).chunks()
        else:
            small.setdefault(record.object, []).append(one)
    for name, sealed in lab.store.read_many(list(small)):
        for record, plain, key in small[name]:
            yield record, plain, (open_sealed(sealed, key, record.seal),)


class _Tables:
    """Rows and layouts, gathered until their table can be put together."""

    def __init__(self) -> None:
        self._layouts: dict[str, bytes] = {}
        self._rows: dict[str, dict[int, bytes]] = {}

    def collect(self, plain: RecordMeta, kind: str, content: bytes) -> None:
        if kind == Kind.LAYOUT:
            self._layouts[plain.path] = content
        else:
            self._rows.setdefault(plain.path, {})[plain.part or 0] = content

    def joined(self) -> Iterator[tuple[str, bytes]]:
        for path, layout in self._layouts.items():
            yield path, join(layout, self._rows.get(path, {})).content


class _Target:
    """A folder written to through one descriptor: nothing is looked up outside it."""

    def __init__(self, folder: int) -> None:
        self._root = folder
        self._open: OrderedDict[str, int] = OrderedDict()

    def write(self, path: str, chunks: Iterable[bytes], mtime_ns: int) -> int:
        """Writes one file, making its folders; gives its size."""
        descriptor = self._create(path)
        try:
            size = 0
            for chunk in chunks:
                view = memoryview(chunk)
                while view:
                    view = view[os.write(descriptor, view) :]
                size += len(chunk)
            if mtime_ns:
                os.utime(descriptor, ns=(mtime_ns, mtime_ns))
            return size
        finally:
            os.close(descriptor)

    def close(self) -> None:
        while self._open:
            os.close(self._open.popitem()[1])

    def _create(self, path: str) -> int:
        # Our own walk finds no such path: whoever wrote it had a key, or two files changed
        # places while they were added.
        if "\0" in path or {"", ".", ".."}.intersection(path.split("/")):
            raise Tampered("a sealed path leaves its folder")
        parent, _, name = path.rpartition("/")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            return os.open(name, flags, 0o444, dir_fd=self._directory(parent))
        except (FileExistsError, NotADirectoryError) as error:
            raise Tampered("two records claim one path") from error

    def _directory(self, path: str) -> int:
        if not path:
            return self._root
        if path in self._open:
            self._open.move_to_end(path)
            return self._open[path]
        parent, _, name = path.rpartition("/")
        above = self._directory(parent)
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o755, dir_fd=above)
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        self._open[path] = os.open(name, flags, dir_fd=above)
        if len(self._open) > _FOLDERS_OPEN:
            os.close(self._open.popitem(last=False)[1])
        return self._open[path]
