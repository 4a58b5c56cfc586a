"""The files of an artifact folder of a stock store."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_CHUNK = 1 << 20


def files(folder: Path) -> Iterator[tuple[str, Path]]:
    """(path with slashes, file) of every file below, by name.

    Links are not followed: a store that came from elsewhere may point them anywhere.
    """
    if not folder.is_dir():
        return
    for entry in sorted(os.scandir(folder), key=lambda one: one.name):
        if entry.is_symlink():
            continue
        if entry.is_dir(follow_symlinks=False):
            for path, file in files(Path(entry.path)):
                yield f"{entry.name}/{path}", file
        elif entry.is_file(follow_symlinks=False):
            yield entry.name, Path(entry.path)


def chunks(file: Path) -> Iterator[bytes]:
    """Its content, piece by piece."""
    with file.open("rb") as stream:
        while piece := stream.read(_CHUNK):
            yield piece
