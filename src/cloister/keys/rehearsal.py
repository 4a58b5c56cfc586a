"""A copy of a keys folder made fit for a rehearsal: it must not write to the real copy."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from cloister.core.errors import IntegrityError


def let_go_of_copy(folder: Path) -> None:
    """Makes the keys in ``folder`` forget that they keep a second copy elsewhere.

    Without it a second key service would write to the lab's own second copy. Raises
    IntegrityError when the key store is torn: it was copied while it was written.
    """
    with contextlib.closing(sqlite3.connect(folder / "keystore.db")) as store:
        try:
            sound = store.execute("PRAGMA quick_check").fetchone() == ("ok",)
            store.execute(
                "UPDATE meta SET value = 'suspended' WHERE name = 'copy_state'",
            )
            store.commit()
        except sqlite3.Error as error:
            raise _torn() from error
    if not sound:
        raise _torn()


def _torn() -> IntegrityError:
    return IntegrityError(
        "the copy of the key store was written while it was copied",
        hint="rehearse again while nothing adds data",
    )
