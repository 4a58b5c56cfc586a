"""A copy of a working folder, for hosts whose kernel refuses an overlay to a namespace."""

from __future__ import annotations

import os
import stat

_CHUNK = 1 << 20


def copy_tree(source: bytes, target: bytes, hidden: frozenset[bytes] = frozenset()) -> None:
    """Files, folders and links with their modes and times.

    Left out: sockets, pipes and devices, what this user may not read, and ``hidden``.
    """
    for entry in os.scandir(source):
        if entry.path in hidden:
            continue
        into, facts = os.path.join(target, entry.name), entry.stat(follow_symlinks=False)
        if stat.S_ISLNK(facts.st_mode):
            if os.path.lexists(into):
                os.unlink(into)
            os.symlink(os.readlink(entry.path), into)
        elif stat.S_ISDIR(facts.st_mode) and os.access(entry.path, os.R_OK | os.X_OK):
            os.makedirs(into, exist_ok=True)
            copy_tree(entry.path, into, hidden)
            os.chmod(into, stat.S_IMODE(facts.st_mode))
        elif stat.S_ISREG(facts.st_mode) and os.access(entry.path, os.R_OK):
            _copy_file(entry.path, into, facts)


def _copy_file(source: bytes, target: bytes, facts: os.stat_result) -> None:
    with open(source, "rb") as reader, open(target, "wb") as writer:
        while os.sendfile(writer.fileno(), reader.fileno(), None, _CHUNK):
            pass
    os.chmod(target, stat.S_IMODE(facts.st_mode))
    os.utime(target, ns=(facts.st_atime_ns, facts.st_mtime_ns))
