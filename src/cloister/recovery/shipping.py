"""From the lab to a target: blobs first, then the save that speaks of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from cloister.core.errors import (
    Conflict,
    IntegrityError,
    LedgerForked,
    NotFound,
    NotVerified,
    Tampered,
)
from cloister.core.events import Transaction
from cloister.core.progress import Progress, silent
from cloister.core.values import KeyGrant
from cloister.db import Database
from cloister.ledger import Head, LedgerReader, verify_consistency
from cloister.recovery.chain import Chain, Read
from cloister.recovery.register import behind
from cloister.recovery.save import BlobRef, Save, digest, save_key, seal_save
from cloister.recovery.target import Target
from cloister.store import Store

_PIECE_BYTES = 32 << 20
_THREADS = 4


@dataclass(frozen=True, slots=True)
class Shipped:
    """What one backup brought to its target."""

    saves: int
    entries: int
    blobs: int
    size_bytes: int
    """Of blobs and saves, as they were sent."""
    damaged: tuple[str, ...]
    """Blobs of the lab that are not what their names say, or gone: left out, tried again."""
    last: Read | None
    """The newest save, if any was made."""


@dataclass(frozen=True, slots=True)
class Shipper:
    """Brings one target up to the lab. One at a time for a target."""

    database: Database
    reader: LedgerReader
    store: Store
    target: Target
    chain: Chain
    grant: Callable[[], KeyGrant]
    """A fresh object key for each save."""
    now: Callable[[], str]

    def ship(self, files: Mapping[str, str], progress: Progress = silent) -> Shipped:
        """Makes the target hold all that the lab holds now.

        Killed at any moment, the target holds what its newest save says. Raises LedgerForked
        when the backup's history is not the lab's, Conflict when somebody else saves there.
        """
        with self.database.read() as tx:
            head = self.reader.head(tx)
            self._check_history(tx, head)
            wanted = [key for key in self.store.blobs(tx) if key not in self.chain.blobs]
            due = behind(tx, self.chain.frontier.size).entries > 0 or not self.chain.number
        blobs, damaged, sent = self._send(wanted, progress)
        if not due and not blobs:
            return Shipped(0, 0, 0, 0, tuple(damaged), None)
        made = [*self._save(head, blobs, files)]
        return Shipped(
            saves=len(made),
            entries=sum(len(read.save.leaves) for read in made),
            blobs=len(blobs),
            size_bytes=sent + sum(read.sealed_bytes for read in made),
            damaged=tuple(damaged),
            last=made[-1],
        )

    def _check_history(self, tx: Transaction, head: Head) -> None:
        before = self.chain.frontier
        try:
            known = min(before.size, head.size)  # a longer one is refused by its size
            proof = self.reader.consistency(tx, known, head.size)
            root = before.root()
            verify_consistency(before.size, root, head.size, head.root, proof)
        except NotVerified as error:
            raise LedgerForked(
                f"the backup holds {before.size} entries of another history than the lab's"
                f" {head.size}: the lab was restored to an earlier time, or rewritten",
                hint="keep this backup; make a new one in another place: cloister backup init",
            ) from error

    def _send(
        self, wanted: Sequence[str], progress: Progress
    ) -> tuple[list[BlobRef], list[str], int]:
        """The blobs that are at the target now, those that cannot be, and the bytes sent."""
        there: list[BlobRef] = []
        damaged: list[str] = []
        sent = 0
        with ThreadPoolExecutor(_THREADS, "backup") as threads:
            for done, (key, size, fresh) in enumerate(threads.map(self._bring, wanted), 1):
                if size is None:
                    damaged.append(key)
                else:
                    there.append(BlobRef(key, size))
                    sent += size if fresh else 0
                progress("backing up", done, len(wanted))
        return there, damaged, sent

    def _bring(self, key: str) -> tuple[str, int | None, bool]:
        """One blob's size at the target, and whether it was sent; no size when damaged."""
        try:
            return key, self.target.stat(key).size_bytes, False  # sent before a kill, whole
        except NotFound:
            pass
        try:
            size = self.store.copy_out(key, self.target)
        except (Tampered, NotFound):
            return key, None, False
        self._confirm(key, size)
        return key, size, True

    def _confirm(self, key: str, size: int) -> None:
        """Whoever drops what was written is to be found out now, not after the disaster."""
        try:
            found = self.target.stat(key).size_bytes
        except NotFound:
            found = -1
        if found != size:
            raise IntegrityError(
                f"the backup target took {key} and does not have it",
                hint="its disk or server loses writes: do not rely on it",
            )

    def _save(
        self, head: Head, blobs: list[BlobRef], files: Mapping[str, str]
    ) -> Iterator[Read]:
        """The saves up to ``head``; the last one carries it, and the blobs."""
        pieces = self._pieces(self.chain.frontier.size, head.size)
        piece = next(pieces, [])
        while True:
            following = next(pieces, None)
            last = following is None
            yield self._put(
                Save(
                    lab=self.chain.lab,
                    number=self.chain.number + 1,
                    previous=self.chain.sha256,
                    first=self.chain.frontier.size,
                    note=head.note if last else "",
                    time=self.now(),
                    blobs=tuple(blobs) if last else (),
                    files=files if last else {},
                    leaves=tuple(piece),
                )
            )
            if following is None:
                return
            piece = following

    def _put(self, save: Save) -> Read:
        sealed = seal_save(save, self.grant())
        key = save_key(save.number)
        if not self.target.put_if_absent(key, [sealed], len(sealed)):
            raise Conflict("another backup to this target is under way", hint="wait for it")
        self._confirm(key, len(sealed))
        if digest(self.target.get(key, 0, len(sealed))) != digest(sealed):
            raise IntegrityError(f"the backup target took {key} and gives back something else")
        return self.chain.take(sealed, save)

    def _pieces(self, first: int, end: int) -> Iterator[list[bytes]]:
        """Entries in pieces that fit in memory."""
        piece: list[bytes] = []
        size = 0
        with self.database.read() as tx:
            for leaf in self.reader.leaves(tx, first, end):
                piece.append(leaf)
                size += len(leaf)
                if size >= _PIECE_BYTES:
                    yield piece
                    piece, size = [], 0
        if piece:
            yield piece
