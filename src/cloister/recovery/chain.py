"""The saves at a target, read back in order: each opened, checked against the one before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from cloister.core.errors import BadInput, Erased, NotFound, NotVerified, Tampered
from cloister.core.signing import PublicKey, Verifier
from cloister.core.values import KeyRef
from cloister.ledger import Head, leaf_hash
from cloister.ledger.checkpoint import open_head
from cloister.ledger.tree import Frontier
from cloister.recovery.save import FOLDER, Save, digest, key_of, number_of, open_save, save_key
from cloister.recovery.target import Target
from cloister.store import Source

OpenKeys = Callable[[Sequence[KeyRef]], Sequence[bytes | None]]
"""Object keys from the key service; None where the key was destroyed."""

_TOGETHER = 64


@dataclass(frozen=True, slots=True)
class Read:
    """One save that was opened and fits those before it."""

    save: Save
    sha256: str
    sealed_bytes: int
    head: Head | None
    """What it can be restored to; None for a piece that a later one completes."""


@dataclass(slots=True)
class Chain:
    """What the saves read so far add up to; grows in order, and only by what fits.

    Whoever holds the target cannot forge a save (it is sealed under the lab's key), nor swap
    two, leave one out (each names the digest of the one before), or change an entry (the
    lab's signed head covers them all). It can leave out the newest ones: `Position` and the
    ledger remember how far they went.
    """

    lab: str
    log: PublicKey
    verify: Verifier
    number: int = 0
    sha256: str = ""
    blobs: set[str] = field(default_factory=set)
    frontier: Frontier = field(default_factory=Frontier)

    def take(self, sealed: bytes, save: Save) -> Read:
        """The next save; raises Tampered, NotVerified, or BadInput for another lab's."""
        if save.lab != self.lab:
            raise BadInput("the backup holds a save of another lab")
        expected = (self.number + 1, self.sha256, self.frontier.size)
        if (save.number, save.previous, save.first) != expected:
            raise Tampered(
                f"save {self.number + 1} of the backup does not follow the one before it:"
                " somebody moved, replaced or removed one",
                hint="do not restore from it; compare with another copy",
            )
        for _ in self.frontier.extend(map(leaf_hash, save.leaves)):
            pass
        head = self._head(save)
        self.number, self.sha256 = save.number, digest(sealed)
        self.blobs.update(blob.key for blob in save.blobs)
        return Read(save, self.sha256, len(sealed), head)

    def _head(self, save: Save) -> Head | None:
        if not save.note:
            return None
        head = open_head(save.note, self.log, self.verify)
        if (head.size, head.root) != (self.frontier.size, self.frontier.root()):
            raise NotVerified(
                f"the entries in save {save.number} of the backup are not those its signed"
                " head covers",
                hint="do not restore from it; compare with another copy",
            )
        return head


def read_saves(source: Source, chain: Chain, open_keys: OpenKeys) -> Iterator[Read]:
    """Every save after those the chain has; ends where there is no further one.

    Raises Erased when the key of the backups was destroyed, and what `Chain.take` raises.
    """
    while batch := _next(source, chain.number):
        keys = open_keys([key_of(sealed)[0] for sealed in batch])
        for sealed, key in zip(batch, keys, strict=True):
            if key is None:
                raise Erased("the key that the backup's saves are sealed under was destroyed")
            yield chain.take(sealed, open_save(sealed, key))


def check_numbers(target: Target, chain: Chain) -> None:
    """Raises Tampered when saves lie beyond a gap, which reading would not notice."""
    beyond = [n for n in map(number_of, target.list(FOLDER)) if n > chain.number]
    if beyond:
        raise Tampered(
            f"save {chain.number + 1} of the backup is missing, and {min(beyond)} is there",
            hint="compare with another copy of the backup",
        )


def _next(source: Source, last: int) -> list[bytes]:
    batch: list[bytes] = []
    for number in range(last + 1, last + 1 + _TOGETHER):
        try:
            size = source.stat(save_key(number)).size_bytes
        except NotFound:
            break
        batch.append(source.get(save_key(number), 0, size))
    return batch
