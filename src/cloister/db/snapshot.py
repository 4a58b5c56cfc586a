"""A database as it is at this moment, in a file of its own."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from cloister.core.files import rename_durably, translated
from cloister.db.sqlite_connection import connect
from cloister.db.sqlite_errors import translated as in_our_words


def snapshot(source: Path, target: Path) -> None:
    """Copies the last committed state of ``source`` to ``target``, whole or not at all.

    Others may write meanwhile. Raises NoSpace, DurabilityLost, DatabaseDamaged.
    """
    part = target.with_name(f".{target.name}.part")
    part.unlink(missing_ok=True)
    try:
        with translated():
            os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
        with closing(connect(str(source), read_only=True)) as reader:
            _copy(reader, part)
        with translated():
            _sync(part)
        rename_durably(part, target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _copy(reader: sqlite3.Connection, part: Path) -> None:
    try:
        with closing(sqlite3.connect(part, isolation_level=None)) as copy:
            # Complete before it has its name: no journal is needed to take it back.
            copy.execute("PRAGMA journal_mode = OFF")
            reader.backup(copy)
            # One file, so that copying or naming it brings all of it.
            copy.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        raise in_our_words(error) from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
