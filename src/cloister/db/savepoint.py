"""Part of a transaction that can be undone alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from cloister.core.events import Transaction


@contextlib.contextmanager
def savepoint(transaction: Transaction) -> Iterator[None]:
    """What the block wrote is undone when it raises, even if its caller swallows the error."""
    transaction.execute("SAVEPOINT part")
    try:
        yield
    except BaseException:
        # After a full or failing disk SQLite has undone the whole transaction, savepoints and
        # all, and so does a server that went away: the error that is raised already says so.
        with contextlib.suppress(Exception):
            transaction.execute("ROLLBACK TO part")
            transaction.execute("RELEASE part")
        raise
    transaction.execute("RELEASE part")
