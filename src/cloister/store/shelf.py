"""Puts sealed objects into blobs of one namespace; concurrent small flushes share a pack."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from cloister.core.errors import Tampered
from cloister.store.backend import Backend, Key, resolve_key
from cloister.store.check import check_blob
from cloister.store.hashing import HashedStream
from cloister.store.layout import PACK_BYTES, Namespace, object_key, pack_key
from cloister.store.pack import build_pack
from cloister.store.placements import Placement


@dataclass(slots=True)
class _Ticket:
    """One writer's objects on their way into a shared pack."""

    objects: Mapping[str, bytes]
    done: bool = False
    placements: list[Placement] = field(default_factory=list)
    error: Exception | None = None


class Shelf:
    """Where the writers of one namespace meet. Every method returns once bytes are durable.

    Raises what the backend raises, and Tampered if another blob sits at an object's key.
    """

    def __init__(self, backend: Backend, namespace: Namespace) -> None:
        self._backend = backend
        self._namespace = namespace
        self._arrivals = threading.Lock()
        self._turn = threading.Lock()
        self._waiting: list[_Ticket] = []

    def put_object(self, name: str, sealed: bytes) -> list[Placement]:
        """One object as a blob of its own."""
        key = self._put(object_key(self._namespace, name), [sealed], len(sealed))
        return [Placement(key, 0, len(sealed), name)]

    def put_stream(self, chunks: Iterable[bytes], size_hint: int) -> Placement:
        """One object as a blob of its own, hashed while it is written."""
        with HashedStream(chunks) as stream:
            key = self._put(
                lambda: object_key(self._namespace, stream.hexdigest()), stream, size_hint
            )
        return Placement(key, 0, stream.size_bytes, stream.hexdigest())

    def put_pack(self, objects: Mapping[str, bytes]) -> list[Placement]:
        """Objects in a pack of their own."""
        pack = build_pack(objects)
        key = self._put(
            pack_key(self._namespace, pack.pack_id), [pack.content], len(pack.content)
        )
        return [Placement(key, e.start_byte, e.size_bytes, e.name) for e in pack.entries]

    def commit(self, objects: Mapping[str, bytes]) -> list[Placement]:
        """Objects in a pack together with those of every writer that waits meanwhile.

        The first to come writes for all who arrived; those who come while it writes form
        the next pack. One failure is the failure of everybody in that pack.
        """
        ticket = _Ticket(objects)
        with self._arrivals:
            self._waiting.append(ticket)
        with self._turn:
            if not ticket.done:
                with self._arrivals:
                    batch, self._waiting = self._waiting, []
                self._write_batch(batch)
        if ticket.error is not None:
            raise ticket.error
        return ticket.placements

    def _write_batch(self, batch: list[_Ticket]) -> None:
        try:
            for tickets in _by_size(batch):
                self._write_pack(tickets)
        except Exception as error:  # noqa: BLE001 - handed to every writer of the pack
            for ticket in batch:
                if not ticket.done:
                    ticket.done, ticket.error = True, error
        except BaseException:  # Ctrl-C here is no failure of theirs: the next one leads
            with self._arrivals:
                self._waiting[:0] = [ticket for ticket in batch if not ticket.done]
            raise

    def _write_pack(self, tickets: list[_Ticket]) -> None:
        together = {n: sealed for t in tickets for n, sealed in t.objects.items()}
        placed = {p.name: p for p in self.put_pack(together)}
        for ticket in tickets:
            ticket.placements = [placed[name] for name in ticket.objects]
            ticket.done = True

    def _put(self, key: Key, chunks: Iterable[bytes], size_hint: int) -> str:
        first = self._backend.put_if_absent(key, chunks, size_hint)
        resolved = resolve_key(key)
        if not first and check_blob(self._backend, resolved).damaged:
            raise Tampered(
                f"blob {resolved} was there before and is damaged",
                hint="run a scrub; restore the blob from the second copy",
            )
        return resolved


def _by_size(tickets: Iterable[_Ticket]) -> Iterator[list[_Ticket]]:
    """Tickets in the order they came, in groups that fit a pack."""
    group: list[_Ticket] = []
    size = 0
    for ticket in tickets:
        adds = sum(len(sealed) for sealed in ticket.objects.values())
        if group and size + adds > PACK_BYTES:
            yield group
            group, size = [], 0
        group.append(ticket)
        size += adds
    if group:
        yield group
