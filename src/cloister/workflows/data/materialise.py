"""From a dataset version to files: what a job, or the person who asked, gets to see."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from cloister.biobank import Kind, join
from cloister.core.errors import NotFound
from cloister.core.events import Transaction
from cloister.core.ids import SubjectId
from cloister.datasets import records, splits
from cloister.datasets.meta import RecordMeta
from cloister.datasets.records import Record
from cloister.datasets.versions import DatasetVersion
from cloister.fence import File, Files
from cloister.identity import subjects
from cloister.keys.seal import SealedReader, open_sealed
from cloister.workflows.lab import Lab
from cloister.workflows.unseal import Unsealed, unsealed

_WHOLE = 8 << 20
"""Sealed objects up to this size are opened in memory, larger ones frame by frame."""


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

    def counted(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The content of one file, counted as it passes."""
        for chunk in chunks:
            self.size_bytes += len(chunk)
            yield chunk
        self.files += 1


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
    """Writes ``contents`` below the directory ``folder`` is open on."""
    written = Written()
    Files(lambda: contents(lab, members, written))(folder)
    return written


def contents(lab: Lab, members: Sequence[Record], written: Written) -> Iterator[File]:
    """The plaintext of ``members``, each counted in ``written`` as it is read.

    Tables come back byte-identical while all their subjects are there. Raises Tampered for
    bytes that fail authentication.
    """
    opened = list(unsealed(lab, [record for record in members if record.object]))
    written.erased = len(members) - len(opened)
    tables = _Tables()
    for record, plain, chunks in plaintexts(lab, opened):
        if record.kind in {Kind.ROWS, Kind.LAYOUT}:
            tables.collect(plain, record.kind, b"".join(chunks))
        else:
            yield File(plain.path, written.counted(chunks), plain.mtime_ns)
        written.records += 1
    for path, content in tables.joined():
        yield File(path, written.counted((content,)))


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
