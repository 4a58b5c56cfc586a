"""Sealed objects by name: written in packs, placed by a transaction, read and verified."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from cloister.core.clock import Clock, SystemClock
from cloister.core.errors import Conflict, IntegrityError, NotFound, WriteOnce
from cloister.core.events import Transaction
from cloister.db import Database
from cloister.store import pins, placements
from cloister.store.backend import Backend
from cloister.store.copying import Sink, Source, check_copy, copy_blob
from cloister.store.layout import NAMESPACES, Namespace, is_raw
from cloister.store.orphans import YOUNGEST, Collected, Orphan, collect, find_orphans
from cloister.store.placements import Placement
from cloister.store.reader import ReadAt, opened, read_object, read_objects
from cloister.store.rebuild import rebuild
from cloister.store.scrub import Progress, Scrub, ScrubReport
from cloister.store.shelf import Shelf
from cloister.store.writer import ObjectWriter

TEN_YEARS = timedelta(days=3653)


class Store:
    """The objects of one lab, for any number of threads and processes.

    Holds no key: it keeps bytes that were sealed above it, names them by their SHA-256 and
    gives back only bytes that still hash to their name. Order of durability: `flush` (bytes),
    then `place` in the transaction of the event that speaks of them. Bytes without a row are
    harmless; a row without bytes never exists.

    The raw namespace is write-once: what was placed there is retained for ``retention`` and
    no method removes it before.

    Errors of writing: NoSpace, nothing is visible and the next write may succeed;
    DurabilityLost, stop the process. Of reading: NotFound, no such object; Tampered, bytes
    or rows were changed; IntegrityError, the disk cannot read.
    """

    def __init__(
        self,
        backend: Backend,
        database: Database,
        *,
        clock: Clock | None = None,
        retention: timedelta = TEN_YEARS,
    ) -> None:
        self._backend = backend
        self._database = database
        self._clock = clock or SystemClock()
        self._retention = retention
        self._shelves = {namespace: Shelf(backend, namespace) for namespace in NAMESPACES}
        self._threads = ThreadPoolExecutor(4, "store")

    def close(self) -> None:
        """Lets go of its threads; what they write finishes first."""
        self._threads.shutdown()

    def writer(self, namespace: Namespace) -> ObjectWriter:
        """A writer for one thread; small flushes of concurrent writers share a pack."""
        return ObjectWriter(self._shelves[namespace], self._threads)

    def place(self, tx: Transaction, flushed: Sequence[Placement]) -> None:
        """Makes flushed objects readable with the event's own transaction.

        Retains raw blobs. Raises Conflict if bytes were collected meanwhile (a day after they
        were written): nothing is placed. May run again, as an operation may.
        """
        last = {p.blob: p for p in sorted(flushed)}
        for placement in last.values():
            self._check_present(placement)
        if raw := [blob for blob in last if is_raw(blob)]:
            self._backend.retain(raw, self._retained_until())
        placements.insert(tx, flushed)

    def exists(self, name: str) -> bool:
        """Whether such an object was placed."""
        with self._database.read() as tx:
            return bool(placements.find(tx, [name]))

    def read(self, name: str) -> bytes:
        """One sealed object, verified."""
        return read_object(self._backend, self._locate([name])[0])

    def read_many(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Each of these objects once, verified, as they lie on the disk.

        Raises NotFound before the first if one has no placement. Reads ahead by one pack:
        large objects come whole, so take those with `open`.
        """
        return read_objects(self._backend, self._locate(names), self._threads)

    def open(self, name: str) -> tuple[ReadAt, int]:
        """Random access to one sealed object, and its size.

        Not verified here when larger than 1 MiB: its frames authenticate themselves.
        """
        return opened(self._backend, self._locate([name])[0])

    def scrub(self, on_progress: Progress | None = None) -> ScrubReport:
        """Reads every blob and follows every row; damage is reported, and does not stop it."""
        return Scrub(self._backend, self._database, self._threads).run(self._clock, on_progress)

    def blobs(self, tx: Transaction) -> Iterator[str]:
        """The key of every blob that holds a placed object, in order."""
        some = placements.blobs(tx, None)
        while some:
            yield from some
            some = placements.blobs(tx, some[-1])

    def copy_out(self, blob: str, sink: Sink) -> int:
        """Copies one blob elsewhere, verified on its way; gives its size.

        Raises Tampered, with nothing visible there, when it is damaged; NotFound when gone.
        """
        return copy_blob(self._backend, sink, blob)

    def mend(self, blob: str, source: Source) -> bool:
        """Brings a blob that is gone or damaged back from ``source``; False for a sound one.

        Damaged bytes are set aside, never removed, and only once sound ones are known to be
        there. Raises Tampered or NotFound, with nothing changed, when ``source`` has none.
        """
        if self._is_sound(blob):
            return False
        check_copy(source, blob)
        with suppress(NotFound):
            self._backend.set_aside(blob)
        copy_blob(source, self._backend, blob)
        return True

    def _is_sound(self, blob: str) -> bool:
        try:
            check_copy(self._backend, blob)
        except (IntegrityError, NotFound):
            return False
        return True

    def rebuild_placements(self) -> int:
        """Brings the index back from the blobs alone; gives the rows added or corrected."""
        return rebuild(self._backend, self._database)

    def pin(self, tx: Transaction, names: Iterable[str], owner: str) -> None:
        """``owner`` uses these objects: they are kept until every owner unpins."""
        pins.pin(tx, names, owner)

    def unpin(self, tx: Transaction, owner: str) -> None:
        """``owner`` uses none of its objects any more."""
        pins.unpin(tx, owner)

    def hold(self, tx: Transaction, names: Iterable[str], reason: str) -> None:
        """Puts objects under a legal hold: kept until `release`, whoever unpins."""
        pins.hold(tx, names, reason)

    def release(self, tx: Transaction, names: Iterable[str]) -> None:
        """Ends a legal hold."""
        pins.release(tx, names)

    def discard(self, tx: Transaction, names: Sequence[str]) -> None:
        """Makes objects unreadable and their blobs, once empty of others, collectable.

        Raises WriteOnce for one that is retained or under a hold, Conflict for one that is
        pinned; then none of ``names`` is discarded.
        """
        pins.refuse_if_used(tx, names)
        for blob in {placement.blob for placement in placements.locate(tx, names)}:
            self._refuse_if_retained(blob)
        placements.remove(tx, names)

    def orphans(self) -> Iterator[Orphan]:
        """Blobs that hold no placed object, in key order."""
        return find_orphans(self._backend, self._database)

    def collect(self, older_than: timedelta = YOUNGEST) -> Collected:
        """Deletes orphans of at least a day; what is retained, pinned or held stays."""
        return collect(self._backend, self._database, self._clock, older_than)

    def _locate(self, names: Iterable[str]) -> list[Placement]:
        with self._database.read() as tx:
            return placements.locate(tx, names)

    def _check_present(self, last: Placement) -> None:
        end = last.start_byte + last.size_bytes
        try:
            if end == 0 or self._backend.get(last.blob, end - 1, 1):
                return
        except NotFound as error:
            raise Conflict(
                f"blob {last.blob} was collected before it was placed",
                hint="add the data again; place within a day of flushing",
            ) from error
        raise IntegrityError(f"blob {last.blob} ends before the objects it was written with")

    def _refuse_if_retained(self, blob: str) -> None:
        until = self._backend.stat(blob).retained_until
        if until is None and is_raw(blob):
            until = datetime.max.replace(tzinfo=UTC)  # its retention was lost, not its reason
        if until is not None and until > self._clock.now():
            raise WriteOnce(
                f"blob {blob} is retained until {until:%Y-%m-%d}: nobody can discard from it",
                hint="to make data unreadable now, erase its subject",
            )

    def _retained_until(self) -> datetime:
        return self._clock.now() + self._retention
