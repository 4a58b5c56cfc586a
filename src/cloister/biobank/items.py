"""What a folder holds, entry by entry: whose it is, or why it cannot be used."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from cloister.core.codes import Code
from cloister.core.errors import BadInput
from cloister.core.subjects import Identity

INLINE_BYTES = 1 << 20
"""Items up to this size carry their bytes; larger ones are streamed from where they lie."""


class Kind(StrEnum):
    """What an item is made of."""

    FILE = "file"
    DICOM = "dicom"
    ROWS = "rows"
    """The rows of one subject in a table."""
    LAYOUT = "layout"
    """What puts the rows of a table back in order; belongs to no subject."""


class Quarantine(Code):
    """Why an item must not train; equal to its stable code, and free of patient data."""

    NO_SUBJECT = "no-subject", "nothing says whose it is"
    BAD_SUBJECT = "bad-subject", "its subject id is not UTF-8 text of 1 to 256 characters"
    # Not kept: there is nothing to seal, or sealing it could not be undone for one patient.
    EMPTY_FOLDER = "empty-folder", "the folder holds nothing"
    UNREADABLE = "unreadable", "it cannot be opened or read"
    CHANGING = "changing", "it changes while it is read; add it when it is complete"
    SPECIAL_FILE = "special-file", "a device, pipe or socket"
    LINK_BROKEN = "link-broken", "a link to nothing"
    LINK_LOOP = "link-loop", "a link that leads back to itself"
    LINK_OUTSIDE = "link-outside", "a link out of the folder"
    LINK_FOLDER = "link-to-folder", "a link to a folder, whose files are added in their place"
    PATH_TOO_LONG = "path-too-long", "a path beyond 4,095 bytes, which no program can open"
    TOO_DEEP = "too-deep", "more than 100 folders deep"
    DICOMDIR = "dicomdir", "an index over many patients; its files are added by themselves"
    # Tables
    MISSING_COLUMN = "missing-column", "a table without the subject column"
    DUPLICATE_COLUMN = "duplicate-column", "a table with two subject columns of one name"
    TABLE_MALFORMED = "table-malformed", "quotes or line ends leave open where a row ends"
    TABLE_NUL = "table-nul", "a table with NUL bytes: binary, or not UTF-8"
    RAGGED_ROW = "ragged-row", "a row with another number of cells than its header"
    # PNG and JPEG
    NOT_AN_IMAGE = "not-an-image", "named as PNG or JPEG, but it is neither"
    IMAGE_TRUNCATED = "image-truncated", "an image that ends before its data do"
    IMAGE_MALFORMED = "image-malformed", "an image whose checksums or segments are wrong"
    # DICOM
    NOT_DICOM = "not-dicom", "named as DICOM, but it is not"
    DICOM_TRUNCATED = "dicom-truncated", "it ends before its last element does"
    DICOM_PIXELS = "dicom-pixels", "fewer pixels than rows, columns and frames ask for"
    DICOM_MALFORMED = "dicom-malformed", "its elements do not follow DICOM PS3.5"
    DICOM_TOO_LARGE = "dicom-too-large", "its header is too large to be checked"


@dataclass(frozen=True, slots=True)
class SubjectRules:
    """Where the user says that subjects are named; DICOM files name their own."""

    issuer: str = "local"
    column: str | None = None
    """The column of every .csv and .tsv that holds the subject's id."""
    pattern: str | None = None
    """A regular expression on relative paths; group ``subject``, or the first, is the id."""

    def check(self) -> None:
        """Raises BadInput when the pattern cannot be used."""
        if self.pattern is None:
            return
        try:
            groups = re.compile(self.pattern).groups
        except re.error as error:
            raise BadInput(
                f"the subject pattern is not a regular expression: {error}"
            ) from None
        if not groups:
            raise BadInput(
                "the subject pattern has no group",
                hint=r"put the subject's part in brackets, such as '^(?P<subject>[^/]+)/'",
            )

    def named_by(self, path: str) -> str | None:
        """The id that the pattern finds in a path; None when it finds none."""
        match = re.search(self.pattern, path) if self.pattern else None
        if match is None:
            return None
        found: str | None = match["subject" if "subject" in match.re.groupindex else 1]
        return found


Chunks = Callable[[], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of a folder, or one part of a table.

    A quarantined item may know its subject (a truncated scan): it is sealed under that
    subject's key all the same. ``facts``, ``path`` and ``subject`` are patient data: the
    caller seals them, and ``repr`` leaves them out.
    """

    path: str = field(repr=False)
    """Relative to the folder, with ``/``; bytes that are not UTF-8 are surrogate-escaped, so
    ``os.fsencode`` gives the name as it is on disk. The parts of a table share its path."""
    kind: Kind
    subject: Identity | None = field(default=None, repr=False)
    quarantine: Quarantine | None = None
    size_bytes: int = 0
    facts: Mapping[str, str] = field(default_factory=dict, repr=False)
    source: Path | None = field(default=None, repr=False)
    """Where the bytes lie, when they are too many to be carried."""
    content: bytes | None = field(default=None, repr=False)
    mtime_ns: int = 0
    mode: int = 0
    part: int | None = None
    """Of a table's rows: their number in its layout."""
    stream: Chunks | None = field(default=None, repr=False)

    @property
    def kept(self) -> bool:
        """Whether there are bytes to seal; False for links, sockets, the unreadable."""
        return self.content is not None or self.stream is not None

    def chunks(self) -> Iterator[bytes]:
        """The bytes in order, at most 1 MiB at a time.

        A streamed item is read again from its source, without following links put there
        since; raises FileChanged when it is no longer the file that was found, at the
        latest after the last chunk: what was made of them must then be thrown away.
        """
        if self.content is not None:
            return iter((self.content,))
        return self.stream() if self.stream is not None else iter(())
