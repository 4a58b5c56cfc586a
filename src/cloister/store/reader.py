"""Sealed objects out of their blobs, each checked against its name."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from cloister.core.errors import BadInput, NotFound, Tampered
from cloister.store.backend import Backend
from cloister.store.layout import PACK_BYTES, SMALL_BYTES
from cloister.store.placements import Placement

ReadAt = Callable[[int, int], bytes]
"""Gives (offset, size) of one object's bytes; fewer only at their end."""

_GAP_BYTES = 64 << 10  # reading on is cheaper than another request
_RUN_BYTES = PACK_BYTES + SMALL_BYTES


@dataclass(frozen=True, slots=True)
class _Run:
    """Objects that lie close together: read at once."""

    blob: str
    start_byte: int
    size_bytes: int
    placements: Sequence[Placement]


def read_object(backend: Backend, placement: Placement) -> bytes:
    """One object, whole; raises Tampered unless its bytes hash to its name."""
    run = _Run(placement.blob, placement.start_byte, placement.size_bytes, (placement,))
    return _check(placement, _read_run(backend, run))


def read_objects(
    backend: Backend, placements: Sequence[Placement], executor: Executor
) -> Iterator[tuple[str, bytes]]:
    """Objects in the order of ``placements``, the next ones read while one is in use."""
    runs = iter(list(_runs(placements)))
    run = next(runs, None)
    ahead = executor.submit(_read_run, backend, run) if run else None
    while run is not None and ahead is not None:
        content, current = ahead.result(), run
        run = next(runs, None)
        ahead = executor.submit(_read_run, backend, run) if run else None
        for placement in current.placements:
            start = placement.start_byte - current.start_byte
            piece = content[start : start + placement.size_bytes]
            yield placement.name, _check(placement, piece)


def opened(backend: Backend, placement: Placement) -> tuple[ReadAt, int]:
    """Random access to one object, and its size.

    A small object is checked here, whole. A large one is not: its frames authenticate
    themselves when they are opened, and a scrub checks the rest.
    """
    if placement.size_bytes < SMALL_BYTES:
        content = read_object(backend, placement)
        return lambda offset, size: content[offset : offset + size], len(content)

    def read_at(offset: int, size: int) -> bytes:
        size = max(0, min(size, placement.size_bytes - offset))
        return _get(backend, placement.blob, placement.start_byte + offset, size)

    return read_at, placement.size_bytes


def _runs(placements: Iterable[Placement]) -> Iterator[_Run]:
    group: list[Placement] = []
    for placement in placements:
        if group and not _joins(group, placement):
            yield _run(group)
            group = []
        group.append(placement)
    if group:
        yield _run(group)


def _joins(group: Sequence[Placement], placement: Placement) -> bool:
    first, last = group[0], group[-1]
    gap = placement.start_byte - (last.start_byte + last.size_bytes)
    span = placement.start_byte + placement.size_bytes - first.start_byte
    return placement.blob == first.blob and 0 <= gap <= _GAP_BYTES and span <= _RUN_BYTES


def _run(group: Sequence[Placement]) -> _Run:
    start = group[0].start_byte
    end = group[-1].start_byte + group[-1].size_bytes
    return _Run(group[0].blob, start, end - start, tuple(group))


def _read_run(backend: Backend, run: _Run) -> bytes:
    return _get(backend, run.blob, run.start_byte, run.size_bytes)


def _get(backend: Backend, blob: str, start_byte: int, size_bytes: int) -> bytes:
    try:
        return backend.get(blob, start_byte, size_bytes)
    except BadInput as error:
        raise Tampered(
            "a placement was altered: it leads to no place a blob could have",
            hint="rebuild the placements from the packs, then run a scrub",
        ) from error
    except NotFound as error:
        raise Tampered(
            f"blob {blob} is gone, and with it the objects it held",
            hint="restore the file from the second copy",
        ) from error


def _check(placement: Placement, content: bytes) -> bytes:
    if hashlib.sha256(content).hexdigest() != placement.name:
        raise Tampered(
            f"object {placement.name} is damaged: its bytes in blob {placement.blob}"
            " do not hash to its name",
            hint="run a scrub to see what else is; restore the blob from the second copy",
        )
    return content
