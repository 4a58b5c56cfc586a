"""A place for the tables of a lab that is being made, ours until it is one."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable

from cloister.app.config import FOUNDING, Config
from cloister.core.files import write_durably
from cloister.db import SQLITE_FILES, claim, is_server, release, wipe

CLAIM = ".claim"
"""Holds what the database was claimed with, as long as the folder is no lab."""
UNFINISHED = frozenset({FOUNDING, CLAIM, "lab.pub", "ca.pem", "store"}) | {
    f"lab.db{suffix}" for suffix in SQLITE_FILES
}
"""What a folder may hold that is to be a lab, and was not yet when its making was killed."""


def half_written(names: Iterable[str], ours: Iterable[str] = UNFINISHED) -> set[str]:
    """Those of files of ``ours`` that were being written when a try was killed."""
    either = "|".join(map(re.escape, ours))
    return {name for name in names if re.fullmatch(rf"\.({either})\.[0-9]+", name)}


def claim_database(config: Config) -> None:
    """Makes the database empty and this folder's; raises Conflict where it holds a lab.

    What an interrupted try left there is removed: it carries the mark that the folder holds.
    """
    if not is_server(config.database):
        wipe(config.database)
        return
    path = config.folder / CLAIM
    if not path.exists():
        write_durably(path, secrets.token_hex(16).encode())
    claim(config.database, path.read_text())


def keep_database(config: Config) -> None:
    """The folder is a lab now: nobody may empty its database again."""
    if is_server(config.database):
        release(config.database)
        (config.folder / CLAIM).unlink(missing_ok=True)
