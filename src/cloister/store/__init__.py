"""Sealed objects on disk: packs, placements, write-once raw data, scrub."""

from cloister.store.backend import Backend, BlobStat
from cloister.store.backends import FileBackend, open_backend
from cloister.store.copying import Sink, Source, check_copy, copy_blob, holds
from cloister.store.hashing import HashedStream
from cloister.store.layout import Namespace
from cloister.store.orphans import Collected, Orphan
from cloister.store.placements import MIGRATIONS, TABLES, Placement
from cloister.store.reader import ReadAt
from cloister.store.scrub import Finding, ScrubReport
from cloister.store.store import TEN_YEARS, Store
from cloister.store.writer import ObjectWriter

__all__ = [
    "MIGRATIONS",
    "TABLES",
    "TEN_YEARS",
    "Backend",
    "BlobStat",
    "Collected",
    "FileBackend",
    "Finding",
    "HashedStream",
    "Namespace",
    "ObjectWriter",
    "Orphan",
    "Placement",
    "ReadAt",
    "ScrubReport",
    "Sink",
    "Source",
    "Store",
    "check_copy",
    "copy_blob",
    "holds",
    "open_backend",
]
