"""A copy of a working folder, for hosts whose kernel refuses an overlay to a namespace."""

from __future__ import annotations

import os
import stat
from _collections_abc import Iterable

_CHUNK = 1 << 20
_SMALL_BYTES, _FEW = 256 << 20, 20_000


def is_small(folders: Iterable[bytes]) -> bool:
    """Whether all of them together are copied in a moment; stops looking once they are not."""
    size = count = 0
    todo = list(folders)
    while todo:
        for entry in os.scandir(todo.pop()):
            count += 1
            facts = entry.stat(follow_symlinks=False)
            size += facts.st_size
            if size > _SMALL_BYTES or count > _FEW:
                return False
            if stat.S_ISDIR(facts.st_mode) and os.access(entry.path, os.R_OK | os.X_OK):
                todo.append(entry.path)
    return True


def copy_tree(source: bytes, target: bytes, hidden: frozenset[bytes] = frozenset()) -> None:
    """Files, folders and links with their modes and times, over what the target holds.

    Left out: sockets, pipes and devices, what this user may not read, and ``hidden``.
    """
    for entry in os.scandir(source):
        if entry.path in hidden:
            continue
        into, facts = os.path.join(target, entry.name), entry.stat(follow_symlinks=False)
        if stat.S_ISLNK(facts.st_mode):
            _make_way(into)
            os.symlink(os.readlink(entry.path), into)
        elif stat.S_ISDIR(facts.st_mode) and os.access(entry.path, os.R_OK | os.X_OK):
            if os.path.islink(into) or not os.path.isdir(into):
                _make_way(into)
                os.mkdir(into)
            copy_tree(entry.path, into, hidden)
            os.chmod(into, stat.S_IMODE(facts.st_mode))
        elif stat.S_ISREG(facts.st_mode) and os.access(entry.path, os.R_OK):
            _make_way(into)
            _copy_file(entry.path, into, facts)


def _make_way(path: bytes) -> None:
    """A link of an earlier layer must not be followed: it may lead to the host."""
    if os.path.lexists(path):
        os.unlink(path)


def _copy_file(source: bytes, target: bytes, facts: os.stat_result) -> None:
    with open(source, "rb") as reader, open(target, "xb") as writer:
        while os.sendfile(writer.fileno(), reader.fileno(), None, _CHUNK):
            pass
    os.chmod(target, stat.S_IMODE(facts.st_mode))
    os.utime(target, ns=(facts.st_atime_ns, facts.st_mtime_ns))
