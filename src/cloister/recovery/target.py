"""Where backups go: the seam, its marker, and what its failures are called."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from cloister.core.canonical import canonical
from cloister.core.clock import SystemClock
from cloister.core.errors import (
    BadInput,
    CloisterError,
    Conflict,
    DurabilityLost,
    NoSpace,
    NotAllowed,
    NotFound,
    Tampered,
)
from cloister.core.ids import CollectionId, LabId
from cloister.recovery.ssh import Box, SshTarget
from cloister.store import BlobStat, FileBackend, holds, open_backend
from cloister.store.backend import Key

MARKER = "backup.json"
_FORMAT = 1
_MARKER_BYTES = 1 << 16


class Target(Protocol):
    """Immutable blobs under keys, far from the lab; a part of the store's `Backend`.

    **Atomic.** A key names nothing or all the bytes of one completed put, whatever dies.
    **Ordered.** When `put_if_absent` returns, a power cut does not undo it, and what was put
    before it is there as well. **Threads.** Any number at once. **Failing.** NoSpace,
    NotAllowed, DurabilityLost, IntegrityError as `Backend`; nothing is retried inside.
    """

    def put_if_absent(self, key: Key, chunks: Iterable[bytes], size_hint: int = 0) -> bool:
        """Stores ``chunks``; False when ``key`` has a blob already, which stays."""

    def get(self, key: str, offset: int, size: int) -> bytes:
        """Up to ``size`` bytes from ``offset``, fewer only at the end; raises NotFound."""

    def stat(self, key: str) -> BlobStat:
        """Size and age; raises NotFound."""

    def list(self, prefix: str) -> Iterator[str]:
        """Every key below a folder of keys, in order."""

    def delete(self, key: str) -> None:
        """Removes a blob that turned out to be damaged; raises NotFound."""


@dataclass(frozen=True, slots=True)
class Marker:
    """What a target says of itself: whose backups it holds. Readable without any key."""

    lab: LabId
    owner: CollectionId
    """Whose key the saves are sealed under."""
    created: str

    def encode(self) -> bytes:
        """The bytes of `MARKER`."""
        body = {"created": self.created, "format": _FORMAT, "lab": self.lab}
        return canonical({**body, "owner": self.owner}) + b"\n"

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        """What ``raw`` says; raises Tampered."""
        try:
            fields = json.loads(raw)
            if fields["format"] != _FORMAT:
                raise BadInput(
                    f"the backup has format {fields['format']}; this version reads {_FORMAT}"
                )
            lab, owner = LabId.parse(fields["lab"]), CollectionId.parse(fields["owner"])
            return cls(lab, owner, str(fields["created"]))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Tampered("backup.json of the backup is not what Cloister writes") from error


def normalised(uri: str) -> str:
    """``uri`` as it is kept: a plain path means ``file:``; raises BadInput for others."""
    scheme, separator, rest = uri.partition(":")
    if separator and scheme == "file":
        return f"file:{Path(rest).absolute()}"
    if separator and scheme == "ssh":
        Box.parse(uri)
        return uri
    if "/" in uri.partition(":")[0] or not separator:
        return f"file:{Path(uri).absolute()}"
    raise BadInput(
        f"no backup target {scheme}:", hint="expected a folder, file:/folder or ssh:box:/folder"
    )


def folder_of(uri: str) -> Path | None:
    """The folder of a ``file:`` target, without links."""
    scheme, _, rest = uri.partition(":")
    return Path(rest).resolve() if scheme == "file" else None


def open_target(uri: str, *, to_write: bool = False) -> Target:
    """The target ``uri`` names, which must hold a backup; raises NotFound, BadInput.

    Only for reading unless told otherwise: a backup may be on a disk that takes no writes.

    The marker is looked for first: where a disk is not mounted, its mount point is a folder
    like any other, and a backup must not end there.
    """
    folder = folder_of(uri)
    if folder is None:
        remote = _Told(SshTarget(Box.parse(uri)))
        if not holds(remote, MARKER):
            raise _no_backup()
        return remote
    if not (folder / MARKER).is_file():
        raise _no_backup()
    return _Told(_of_folder(uri) if to_write else FileBackend(folder, SystemClock()))


def _no_backup() -> NotFound:
    return NotFound(
        "no backup at this target: it holds no backup.json",
        hint="mount its disk, or make one there with `cloister backup init`",
    )


def new_target(uri: str) -> Target:
    """The same for a first backup: raises Conflict where something else lies."""
    folder = folder_of(uri)
    if folder is None:
        return _new_remote(uri)
    if not folder.parent.is_dir():
        raise NotFound("the folder that shall hold the backup's folder does not exist")
    try:
        found = {path.name for path in folder.iterdir()} if folder.exists() else set()
    except OSError as error:
        raise BadInput("the backup target is not a folder that can be read") from error
    _check_empty(found)
    return _Told(_of_folder(uri))


def _new_remote(uri: str) -> Target:
    remote = SshTarget(Box.parse(uri))
    _check_empty(remote.names())
    return _Told(remote)


def _check_empty(found: set[str]) -> None:
    if found - {".incoming", "lost+found"} and MARKER not in found:
        raise Conflict("the folder is not empty", hint="a backup starts in an empty folder")


def read_marker(target: Target) -> Marker:
    """Whose backup it is; raises NotFound, Tampered."""
    return Marker.decode(target.get(MARKER, 0, _MARKER_BYTES))


def _of_folder(uri: str) -> Target:
    with _named():
        try:
            return open_backend(uri)
        except OSError as error:
            raise NotAllowed("it cannot be written") from error


class _Told:
    """Names the target in what goes wrong with it."""

    def __init__(self, inner: Target) -> None:
        self._inner = inner

    def put_if_absent(self, key: Key, chunks: Iterable[bytes], size_hint: int = 0) -> bool:
        """See `Target`. What ``chunks`` or the key raise is no fault of the target's."""
        theirs: list[CloisterError] = []
        given = key if isinstance(key, str) else _noting_key(key, theirs)
        try:
            return self._inner.put_if_absent(given, _noting(chunks, theirs), size_hint)
        except CloisterError as error:
            raise error if error in theirs else _renamed(error) from error

    def get(self, key: str, offset: int, size: int) -> bytes:
        """See `Target`."""
        with _named():
            return self._inner.get(key, offset, size)

    def stat(self, key: str) -> BlobStat:
        """See `Target`."""
        with _named():
            return self._inner.stat(key)

    def list(self, prefix: str) -> Iterator[str]:
        """See `Target`."""
        with _named():
            yield from self._inner.list(prefix)

    def delete(self, key: str) -> None:
        """See `Target`."""
        with _named():
            self._inner.delete(key)


@contextmanager
def _named() -> Iterator[None]:
    try:
        yield
    except CloisterError as error:
        raise _renamed(error) from error


def _noting(chunks: Iterable[bytes], theirs: list[CloisterError]) -> Iterator[bytes]:
    try:
        yield from chunks
    except CloisterError as error:
        theirs.append(error)
        raise


def _noting_key(key: Callable[[], str], theirs: list[CloisterError]) -> Callable[[], str]:
    def noted() -> str:
        try:
            return key()
        except CloisterError as error:
            theirs.append(error)
            raise

    return noted


def _renamed(error: CloisterError) -> CloisterError:
    if isinstance(error, NoSpace):
        return NoSpace(
            "the backup target has no room; nothing of this save is visible there",
            hint="make room on it, then run the backup again: it goes on where it was",
        )
    if isinstance(error, NotAllowed):
        return NotAllowed(
            "the backup target cannot be written or read",
            hint="check who owns it and that it is mounted read-write",
        )
    if isinstance(error, DurabilityLost):
        return DurabilityLost(
            "the backup target failed a write; what was acknowledged there is not affected",
            hint="check its disk or connection, then run the backup again",
        )
    return type(error)(f"backup target: {error.message}", hint=error.hint)
