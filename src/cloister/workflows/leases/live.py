"""The live log of a run: written beside its job, read by whoever may follow it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cloister.core.files import private_folder
from cloister.core.ids import RunId
from cloister.keys.values import GrantRequest
from cloister.runs.live import Kind, LiveReader, LiveWriter
from cloister.workflows.lab import Lab
from cloister.workflows.unseal import open_keys

_MOST_BYTES = 64 << 20
_KEPT_S = 900.0
"""How long after its last word: whoever follows it hears the end, who comes later reads the
sealed log."""


@contextmanager
def live_log(lab: Lab, run: RunId) -> Iterator[LiveWriter]:
    """Written while the block lasts; its last frame says that no more comes."""
    grant = lab.keys.grants([GrantRequest(run)])[0].key
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(_path(lab, run), flags, 0o600)
    with os.fdopen(descriptor, "ab", buffering=0) as file:
        writer = LiveWriter(run, grant, file, _MOST_BYTES)
        writer.begin()
        try:
            yield writer
        finally:
            writer.add(Kind.END, b"")


@contextmanager
def reader(lab: Lab, run: RunId) -> Iterator[LiveReader | None]:
    """What is there of it, from its beginning; None where nothing is."""
    try:
        descriptor = os.open(_path(lab, run), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        yield None
        return
    try:
        yield LiveReader(run, descriptor, lambda ref: open_keys(lab, [ref]).get(ref.seal_id))
    finally:
        os.close(descriptor)


def everything(lab: Lab, run: RunId) -> bytes:
    """All that it has said, both streams as they came."""
    with reader(lab, run) as log:
        frames = () if log is None else log.frames()
        return b"".join(one.content for one in frames if one.kind in {Kind.OUT, Kind.ERR})


def clear(lab: Lab, alive: frozenset[str]) -> None:
    """Removes live logs that nobody writes or follows any more."""
    before_s = time.time() - _KEPT_S
    for path in _folder(lab).iterdir():
        with suppress(FileNotFoundError):
            if path.name not in alive and path.stat().st_mtime < before_s:
                path.unlink()


def _folder(lab: Lab) -> Path:
    return private_folder(lab.folder / "live")


def _path(lab: Lab, run: RunId) -> Path:
    return _folder(lab) / run
