"""``python -m cloister.app.scribble DATABASE ORIGIN``: writes until it is killed.

The victim of a rehearsed crash: it appends an entry to a *copy* of a lab's ledger, one
transaction each, and says so after each commit. It signs nothing: a second signed history of
one lab would be a fork.
"""

from __future__ import annotations

import itertools
import sys

from cloister.app.platform import MIGRATIONS, PROJECTIONS
from cloister.core.errors import NotAllowed
from cloister.core.events import Event
from cloister.core.signing import PublicKey
from cloister.db import Database, open_database
from cloister.keys.signing import verify
from cloister.ledger import Ledger

_REASON = "written to a copy, to see whether it outlives a crash"


class NoSigner:
    """Holds the place of a key where nothing may be signed."""

    def __init__(self, origin: str) -> None:
        self.public_key = PublicKey(origin, bytes(32))

    def sign(self, message: bytes) -> bytes:
        """Never."""
        raise NotAllowed("a copy's ledger is not signed")


def unsigned(origin: str) -> Ledger:
    """A ledger that appends and signs no head."""
    return Ledger(origin, NoSigner(origin), PROJECTIONS, verify)


def scribble(database: Database, ledger: Ledger, number: int) -> None:
    """One durable entry."""
    event = Event("backup.mended", "", "drill", _REASON, {"blobs": [f"scribble {number}"]})
    database.write(lambda tx: ledger.append(tx, [event]))


def main() -> None:
    """Writes on and on."""
    database = open_database(sys.argv[1], MIGRATIONS)
    ledger = unsigned(sys.argv[2])
    for number in itertools.count():
        scribble(database, ledger, number)
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
