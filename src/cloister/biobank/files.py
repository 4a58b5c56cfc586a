"""One regular file as items: whole, as a scan, or taken apart as a table."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path

from cloister.biobank import dicom, pictures
from cloister.biobank.items import INLINE_BYTES, Chunks, Item, Kind, Quarantine, SubjectRules
from cloister.biobank.layout import rows_of
from cloister.biobank.reading import CHUNK_BYTES, Source, Span, Stamp, read_whole
from cloister.biobank.records import Unsplittable
from cloister.biobank.tables import HEADER_BYTES, Part, Spans, Split, read_header, split
from cloister.biobank.tree import Opened
from cloister.core.errors import BadInput
from cloister.core.subjects import Identity

TABLE_IN_MEMORY_BYTES = 64 << 20
"""Tables up to this size are read once and split from memory, so that they are of one moment;
larger ones are read again part by part, and FileChanged ends the walk if they changed."""


@dataclass(frozen=True, slots=True)
class File:
    """An open regular file; ``descriptor`` is the caller's to close."""

    path: str
    """As it is listed; ``source`` has the path without links."""
    descriptor: int
    source: Source
    mode: int
    rules: SubjectRules
    beginning: bytes
    content: bytes | None
    """Everything, when it is at most INLINE_BYTES."""

    @classmethod
    def read(cls, path: str, folder: Path, opened: Opened, rules: SubjectRules) -> File | None:
        """The file at ``path`` below ``folder``; None when it would not hold still.

        Raises OSError.
        """
        content, stamp = None, Stamp.seen(opened.found)
        if stamp.size_bytes <= INLINE_BYTES:
            whole = read_whole(opened.descriptor, stamp)
            if whole is None:
                return None
            content, stamp = whole
            beginning = content[: dicom.BEGINNING_BYTES]
        else:
            beginning = os.pread(opened.descriptor, dicom.BEGINNING_BYTES, 0)
        source, mode = Source(folder, opened.path, stamp), opened.found.st_mode
        return cls(path, opened.descriptor, source, mode, rules, beginning, content)

    def plain(self, quarantine: Quarantine | None = None) -> Item:
        """The file as it is; its subject is named by the pattern, or unknown."""
        subject, problem = self._by_pattern()
        return self._whole(Kind.FILE, subject, quarantine or problem, {})

    def picture(self) -> Item:
        """The file as a PNG or JPEG: set aside when it is not whole, under its own subject."""
        if self.content is not None:
            damage = pictures.problem(BytesIO(self.content))
        else:
            os.lseek(self.descriptor, 0, os.SEEK_SET)
            with os.fdopen(os.dup(self.descriptor), "rb") as stream:
                damage = pictures.problem(stream)
            if Stamp.of(self.descriptor) != self.source.stamp:
                return Item(self.path, Kind.FILE, quarantine=Quarantine.CHANGING)
        return self.plain(damage)

    def scan(self) -> Item:
        """The file as a DICOM file; an explicit pattern goes before its own PatientID."""
        found = self._scanned()
        if Stamp.of(self.descriptor) != self.source.stamp:
            return Item(self.path, Kind.DICOM, quarantine=Quarantine.CHANGING)
        if found.quarantine is Quarantine.DICOMDIR:
            # Sealing it would keep every patient's name readable after that patient's erasure.
            return Item(self.path, Kind.DICOM, quarantine=found.quarantine)
        subject, problem = self._by_pattern()
        if subject is None and found.patient_id:
            subject, problem = _identity(
                found.issuer.strip() or self.rules.issuer, found.patient_id
            )
        quarantine = found.quarantine or problem
        return self._whole(Kind.DICOM, subject, quarantine, dict(found.facts))

    def _scanned(self) -> dicom.Scan:
        size = self.source.stamp.size_bytes
        if self.content is not None:
            return dicom.read(BytesIO(self.content), size)
        with os.fdopen(os.dup(self.descriptor), "rb") as stream:
            return dicom.read(stream, size)

    def table(self, column: str) -> Iterator[Item]:
        """The layout and the parts of a table; whole and quarantined if it cannot be split.

        Raises FileChanged when a table too large for memory changes on the way.
        """
        content = self.content
        if content is None and self.source.stamp.size_bytes <= TABLE_IN_MEMORY_BYTES:
            whole = read_whole(self.descriptor, self.source.stamp)
            if whole is None:
                yield Item(self.path, Kind.FILE, quarantine=Quarantine.CHANGING)
                return
            content = whole[0]
        read: Spans = self.source.spans if content is None else _Memory(content)
        size = self.source.stamp.size_bytes if content is None else len(content)
        try:
            header = read_header(b"".join(read((Span(0, min(size, HEADER_BYTES)),))), column)
            rest = Span(len(header.raw), size - len(header.raw))
            found = split(read((rest,)), header, column, self.rules.issuer)
        except Unsplittable as error:
            yield self._unsplit(error.why)
            return
        yield from self._parts(found, read)

    def _unsplit(self, why: Quarantine) -> Item:
        """A table without the column may still be one subject's, by the pattern."""
        subject, _ = self._by_pattern()
        known = subject is not None and why is Quarantine.MISSING_COLUMN
        return self.plain(None if known else why)

    def _parts(self, found: Split, read: Spans) -> Iterator[Item]:
        layout = found.layout.encode()
        facts = {
            "rows": str(found.rows),
            "parts": str(len(found.parts)),
            "delimiter": found.layout.delimiter,
        }
        yield Item(
            self.path,
            Kind.LAYOUT,
            size_bytes=len(layout),
            facts=facts,
            content=layout,
            mtime_ns=self.source.stamp.mtime_ns,
            mode=self.mode,
        )
        for number, part in enumerate(found.parts):
            yield self._rows(number, part, read)

    def _rows(self, number: int, part: Part, read: Spans) -> Item:
        size = part.size_bytes
        content: bytes | None = None
        stream: Chunks | None = None
        facts = {"rows": str(part.rows)}
        if part.ragged_rows:
            facts["ragged_rows"] = str(part.ragged_rows)
        if size <= INLINE_BYTES:
            content = b"".join(part.encode(read))
            repeated = part.rows - len(set(rows_of(content)))
            if repeated:
                facts["duplicate_rows"] = str(repeated)
        else:
            stream = partial(part.encode, read)
        return Item(
            self.path,
            Kind.ROWS,
            part.subject,
            part.quarantine,
            size,
            facts,
            content=content,
            mtime_ns=self.source.stamp.mtime_ns,
            mode=self.mode,
            part=number,
            stream=stream,
        )

    def _whole(
        self,
        kind: Kind,
        subject: Identity | None,
        quarantine: Quarantine | None,
        facts: dict[str, str],
    ) -> Item:
        streamed = self.content is None
        return Item(
            self.path,
            kind,
            subject,
            quarantine,
            self.source.stamp.size_bytes,
            facts,
            source=self.source.folder / self.source.path if streamed else None,
            content=self.content,
            mtime_ns=self.source.stamp.mtime_ns,
            mode=self.mode,
            stream=self.source.chunks if streamed else None,
        )

    def _by_pattern(self) -> tuple[Identity | None, Quarantine | None]:
        return _identity(self.rules.issuer, self.rules.named_by(self.path) or "")


def _identity(issuer: str, text: str) -> tuple[Identity | None, Quarantine | None]:
    if not text.strip(" \t\r\n\0"):
        return None, Quarantine.NO_SUBJECT
    try:
        return Identity.of(issuer, text), None
    except BadInput:
        return None, Quarantine.BAD_SUBJECT


@dataclass(frozen=True, slots=True)
class _Memory:
    """Stretches of a file that is held whole."""

    content: bytes

    def __call__(self, spans: Iterable[Span]) -> Iterator[bytes]:
        for offset, size in spans:
            for at in range(offset, offset + size, CHUNK_BYTES):
                yield self.content[at : min(at + CHUNK_BYTES, offset + size)]
