"""One caller's way of storing sealed objects: add many, flush, then place them."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future, wait
from typing import Self

from cloister.core.errors import Conflict
from cloister.store.layout import PACK_BYTES, SMALL_BYTES
from cloister.store.placements import Placement
from cloister.store.shelf import Shelf

_UNDER_WAY = 4  # blobs of one writer: bounds its memory, and lets their fsyncs share commits


class ObjectWriter:
    """Stores sealed objects of one namespace. For one thread; use a writer for each.

    Nothing counts before `flush` returns. After a failure the writer is of no more use: what
    it held may or may not be stored, unplaced, and a new writer begins again.

    >>> with store.writer("raw") as writer:
    ...     name = writer.add(sealed)
    ...     placements = writer.flush()
    >>> database.write(lambda tx: store.place(tx, placements))
    """

    def __init__(self, shelf: Shelf, executor: Executor) -> None:
        self._shelf = shelf
        self._executor = executor
        self._small: dict[str, bytes] = {}
        self._small_bytes = 0
        self._under_way: deque[Future[list[Placement]]] = deque()
        self._stored: dict[str, Placement] = {}
        self._failed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        """Waits for what is under way; what was not flushed is dropped."""
        wait(self._under_way)

    def add(self, sealed: bytes) -> str:
        """Takes one object; gives its name, the SHA-256 of its bytes, hex.

        May wait for, and raise the error of, an object added earlier.
        """
        self._refuse_after_failure()
        name = hashlib.sha256(sealed).hexdigest()
        if len(sealed) >= SMALL_BYTES:
            self._start(self._shelf.put_object, name, sealed)
        elif name not in self._small:
            self._small[name] = sealed
            self._small_bytes += len(sealed)
            if self._small_bytes >= PACK_BYTES:
                self._start(self._shelf.put_pack, self._take_small())
        return name

    def add_stream(self, chunks: Iterable[bytes], size_hint: int = 0) -> str:
        """Stores one large object in constant memory, durably on return; gives its name.

        Errors of ``chunks`` pass through, leave nothing of the stream, and do not hurt what
        else was added. ``size_hint`` is its size, as well as it is known.
        """
        self._refuse_after_failure()
        placement = self._shelf.put_stream(chunks, size_hint)
        self._stored[placement.name] = placement
        return placement.name

    def flush(self) -> list[Placement]:
        """Where everything lies that was added since the last flush: durable on return."""
        self._refuse_after_failure()
        try:
            small = self._take_small()
            last = self._shelf.commit(small) if small else []
            while self._under_way:
                self._finish_oldest()
        except BaseException:
            self._failed = True
            raise
        self._keep(last)
        stored, self._stored = self._stored, {}
        return list(stored.values())

    def _start(self, put: Callable[..., list[Placement]], *arguments: object) -> None:
        try:
            if len(self._under_way) >= _UNDER_WAY:
                self._finish_oldest()
        except BaseException:
            self._failed = True
            raise
        self._under_way.append(self._executor.submit(put, *arguments))

    def _take_small(self) -> dict[str, bytes]:
        small, self._small, self._small_bytes = self._small, {}, 0
        return small

    def _finish_oldest(self) -> None:
        self._keep(self._under_way.popleft().result())

    def _keep(self, placements: Iterable[Placement]) -> None:
        self._stored.update((p.name, p) for p in placements)

    def _refuse_after_failure(self) -> None:
        if self._failed:
            raise Conflict("this object writer failed before: begin with a new one")
