"""A second box as a backup target: files in a folder there, through the system's ssh."""

from __future__ import annotations

import secrets
import threading
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self
from urllib.parse import urlsplit

from cloister.core.errors import (
    BadInput,
    DurabilityLost,
    IntegrityError,
    NoSpace,
    NotAllowed,
    NotFound,
)
from cloister.recovery.sftp import Connection, Failed, Gone
from cloister.store import BlobStat
from cloister.store.backend import Key, check_key, check_prefix, resolve_key

_INCOMING = b".incoming"
_LITTLE_ROOM = 1 << 20
OPTIONS = (
    "-oBatchMode=yes",  # a backup at night cannot be asked for a password
    "-oStrictHostKeyChecking=yes",  # whoever answers must be known already
    "-oServerAliveInterval=10",
    "-oServerAliveCountMax=3",
)


@dataclass(frozen=True, slots=True)
class Box:
    """Where a second box is, and the folder there."""

    host: str
    """``host`` or ``user@host``, or a name in ssh's own configuration."""
    port: int | None
    folder: str

    @classmethod
    def parse(cls, uri: str) -> Self:
        """The box in ``ssh:host:/folder`` or ``ssh://host:port/folder``; raises BadInput."""
        if uri.startswith("ssh://"):
            try:
                parts = urlsplit(uri)
                host = parts.netloc.rpartition(":")[0] if parts.port else parts.netloc
                box = cls(host, parts.port, parts.path)
            except ValueError as error:
                raise BadInput("the port of the backup target is no port") from error
        else:
            host, _, folder = uri.removeprefix("ssh:").partition(":")
            box = cls(host, None, folder)
        # A host that begins with a hyphen would be an option of ssh's.
        if not box.host or box.host[0] == "-" or not box.folder.startswith("/"):
            raise BadInput(
                "no such backup target", hint="expected ssh:box:/folder or ssh://box:22/folder"
            )
        return box

    def command(self) -> list[str]:
        """What starts the SFTP server there."""
        port = [f"-p{self.port}"] if self.port else []
        return ["ssh", *OPTIONS, *port, "-s", "--", self.host, "sftp"]


class SshTarget:
    """`Target` on another box; needs OpenSSH's SFTP server there, and nothing of ours.

    A file is written under a name of its own and synced, then linked to its key: the key
    names all of it or nothing. SFTP cannot sync a folder: a power cut there within its file
    system's commit interval may undo a name that was acknowledged. The next run notices.
    """

    def __init__(self, box: Box) -> None:
        self._box = box
        self._root = box.folder.rstrip("/").encode()
        self._idle: list[Connection] = []
        self._made: set[bytes] = set()
        self._lock = threading.Lock()
        # Its connections are processes: they end with it, or with this one.
        weakref.finalize(self, _end, self._idle)

    def put_if_absent(self, key: Key, chunks: Iterable[bytes], size_hint: int = 0) -> bool:
        """See `Target`."""
        if isinstance(key, str):
            check_key(key)
        with self._connected() as connection, self._told(connection):
            self._make_folders(connection, self._root + b"/" + _INCOMING)
            name = secrets.token_hex(16).encode()
            incoming = b"/".join((self._root, _INCOMING, name))
            try:
                connection.write_new(incoming, chunks)
                path = self._path(resolve_key(key))
                self._make_folders(connection, path.rpartition(b"/")[0])
                return _linked(connection, incoming, path)
            finally:
                with suppress(Failed):
                    connection.remove(incoming)

    def get(self, key: str, offset: int, size: int) -> bytes:
        """See `Target`."""
        with self._connected() as connection, self._reading(key):
            return connection.read(self._path(key), offset, size)

    def stat(self, key: str) -> BlobStat:
        """See `Target`."""
        with self._connected() as connection, self._reading(key):
            found = connection.stat(self._path(key))
        if found.is_folder:
            raise NotFound(f"it has no blob {key}")
        return BlobStat(found.size_bytes, datetime.fromtimestamp(found.modified_s, UTC), None)

    def list(self, prefix: str) -> Iterator[str]:
        """See `Target`."""
        with self._connected() as connection:
            yield from list(self._walk(connection, check_prefix(prefix)))

    def delete(self, key: str) -> None:
        """See `Target`."""
        with self._connected() as connection, self._reading(key):
            connection.remove(self._path(key))

    def names(self) -> set[str]:
        """What lies at its top; empty where the folder is not there."""
        with self._connected() as connection, suppress(Failed):
            found = {
                name.decode("utf-8", "replace") for name, _ in connection.names(self._root)
            }
            return found - {".", ".."}
        return set()

    def _path(self, key: str) -> bytes:
        return self._root + b"/" + check_key(key).encode()

    def _walk(self, connection: Connection, prefix: str) -> Iterator[str]:
        try:
            entries = sorted(connection.names(self._root + b"/" + prefix.encode()))
        except Failed as error:
            if error.code == Failed.NO_FILE:
                return
            raise
        for name, found in entries:
            try:
                key = check_key(prefix + name.decode("ascii"))
            except (BadInput, UnicodeDecodeError):
                continue  # ours alone (.incoming), or foreign
            if found.is_folder:
                yield from self._walk(connection, f"{key}/")
            else:
                yield key

    def _make_folders(self, connection: Connection, path: bytes) -> None:
        if path in self._made or len(path) < len(self._root):
            return
        self._make_folders(connection, path.rpartition(b"/")[0])
        with suppress(Failed):  # it is there, or what is put into it will fail
            connection.make_folder(path)
        self._made.add(path)

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        """A connection for one request; one that broke is not used again."""
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        connection = connection or Connection.start(self._box.command())
        try:
            yield connection
        except Gone as error:
            connection.close()
            raise DurabilityLost(
                "the connection ended", hint="see that the box is there, then run it again"
            ) from error
        except NotFound:  # an answer like any other
            self._keep(connection)
            raise
        except BaseException:
            connection.close()  # requests may be under way on it
            raise
        self._keep(connection)

    def _keep(self, connection: Connection) -> None:
        with self._lock:
            self._idle.append(connection)

    @contextmanager
    def _reading(self, key: str) -> Iterator[None]:
        try:
            yield
        except Failed as error:
            if error.code == Failed.NO_FILE:
                raise NotFound(f"it has no blob {key}") from error
            if error.code == Failed.FORBIDDEN:
                raise NotAllowed("it cannot be read") from error
            raise IntegrityError(f"its disk cannot read blob {key}") from error

    @contextmanager
    def _told(self, connection: Connection) -> Iterator[None]:
        """SFTP says no more than that it failed: whether there is room is asked for."""
        try:
            yield
        except Failed as error:
            if error.code in {Failed.FORBIDDEN, Failed.NO_FILE}:
                raise NotAllowed("it cannot be written") from error
            with suppress(Failed):
                if connection.free_bytes(self._root) < _LITTLE_ROOM:
                    raise NoSpace("it is full") from error
            raise DurabilityLost("it failed a write") from error


def _end(idle: list[Connection]) -> None:
    while idle:
        idle.pop().close()


def _linked(connection: Connection, incoming: bytes, path: bytes) -> bool:
    try:
        connection.link(incoming, path)
    except Failed:
        connection.stat(path)  # raises, unless somebody was first
        return False
    return True
