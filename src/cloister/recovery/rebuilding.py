"""A lab's folder from a backup: blobs, then the log and its tables, nothing signed anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

from cloister.core.clock import timestamp
from cloister.core.errors import BadInput, NotFound
from cloister.core.events import Projection
from cloister.core.progress import Progress, silent
from cloister.db import Database
from cloister.ledger import Head, event_of, refill
from cloister.recovery.chain import Chain, OpenKeys, Read, read_saves
from cloister.recovery.save import BlobRef
from cloister.store import Backend, Source, copy_blob, holds

_THREADS = 4


@dataclass(frozen=True, slots=True)
class Point:
    """What to restore: everything up to one save."""

    number: int
    head: Head
    time: str
    """When it was made."""
    last_change: str
    """Of the newest entry in it."""
    blobs: tuple[BlobRef, ...]
    files: Mapping[str, str]
    leaves: Sequence[bytes]


def choose(reads: Iterator[Read], at: str | None) -> Point:
    """The newest save, or the last one at or before ``at``: a time, or a number of entries.

    Raises NotFound when there is none, BadInput for an ``at`` that is neither.
    """
    limit = _limit(at)
    chosen: Read | None = None
    blobs: dict[str, BlobRef] = {}
    leaves: list[bytes] = []
    files: dict[str, str] = {}
    held: list[Read] = []
    for read in reads:
        held.append(read)
        if read.head is None:
            continue
        if not limit(read):
            break
        chosen = read
        for one in held:
            blobs.update((blob.key, blob) for blob in one.save.blobs)
            leaves += one.save.leaves
            files.update(one.save.files)
        held.clear()
    if chosen is None or chosen.head is None:
        raise NotFound(
            "the backup has no save at or before that" if at else "the backup has no save yet",
            hint="see `cloister backup ls --saves`",
        )
    last = _last_change(leaves)
    save = chosen.save
    return Point(
        save.number, chosen.head, save.time, last, tuple(blobs.values()), files, leaves
    )


def read_point(target: Source, chain: Chain, open_keys: OpenKeys, at: str | None) -> Point:
    """The point of a target; raises what `choose` and `Chain.take` raise."""
    return choose(read_saves(target, chain, open_keys), at)


def fetch(
    source: Source, backend: Backend, blobs: Sequence[BlobRef], progress: Progress = silent
) -> int:
    """Brings the blobs that are not there yet, each verified; gives the bytes fetched.

    Raises Tampered naming the first that is damaged, NotFound for one that is missing: the
    folder is then no lab yet, and the next try goes on.
    """

    def bring(blob: BlobRef) -> int:
        return 0 if holds(backend, blob.key) else copy_blob(source, backend, blob.key)

    fetched = 0
    with ThreadPoolExecutor(_THREADS, "restore") as threads:
        for done, size in enumerate(threads.map(bring, blobs), 1):
            fetched += size
            progress("restoring", done, len(blobs))
    return fetched


def fill(database: Database, point: Point, projections: Mapping[str, Projection]) -> None:
    """The log of ``point`` and its tables, in one transaction; raises what `refill` raises."""
    database.write(lambda tx: refill(tx, point.leaves, point.head, projections))


def _limit(at: str | None) -> Callable[[Read], bool]:
    if at is None:
        return lambda _: True
    if at.isdigit():
        return lambda read: read.save.end <= int(at)
    try:
        moment = datetime.fromisoformat(at)
    except ValueError as error:
        raise BadInput(
            "--at is a time like 2026-05-04T12:00:00Z, or a number of ledger entries"
        ) from error
    latest = timestamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    return lambda read: read.save.time <= latest


def _last_change(leaves: Sequence[bytes]) -> str:
    return event_of(leaves[-1]).time if leaves else ""
