"""A new epoch: survivors re-wrapped, the erased left out, the old KEK destroyed.

Crash at any point: the epoch that keystore.db names decides. Until its transaction commits the
old KEK is the true one and nothing was erased; from then on the new one is, and whatever other
KEK the provider still keeps is destroyed at the next start, before anything else is done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cloister.core.errors import IntegrityError
from cloister.keys._secret import wipe
from cloister.keys.providers.seam import DestroyReceipt, EpochKeeper
from cloister.keys.service.keystore import KeyStore, OwnerRow
from cloister.keys.service.rows import EpochSealer

Step = Callable[[str], None]
"""Told the name of each step as it is reached: where a test stops the process."""

_CHUNK = 1000


def no_step(_: str) -> None:
    """Nobody watches."""


def rotate(
    store: KeyStore,
    provider: EpochKeeper,
    old: EpochSealer,
    doomed: Sequence[str],
    on_step: Step,
) -> tuple[EpochSealer, DestroyReceipt]:
    """Destroys the owners' keys and every way back to them; gives the new epoch's sealer."""
    epoch = old.epoch + 1
    on_step("begun")
    for kept in provider.epochs():  # an erasure that failed half-way left its new KEK behind
        if kept != old.epoch:
            provider.destroy(kept)
    kek = provider.create(epoch)
    on_step("kek created")
    # What will be needed at the next start is what lies on the disk, so that is what is used.
    read_back = provider.fetch(epoch)
    if read_back != kek:
        raise IntegrityError("the new epoch key reads back differently; nothing was erased")
    new = EpochSealer(epoch, kek)
    wipe(kek, read_back)
    with store.transaction():
        store.destroy_owners(doomed, epoch)
        with store.resealing():
            _reseal(store, old, new, on_step)
        store.set_meta("epoch", str(epoch))
        on_step("before commit")
    on_step("committed")
    receipt = provider.destroy(old.epoch)
    on_step("kek destroyed")
    return new, receipt


def settle(store: KeyStore, provider: EpochKeeper) -> None:
    """Finishes what a crash interrupted: only the key store's own epoch keeps its KEK."""
    current = store.epoch
    kept = provider.epochs()
    wipe(provider.fetch(current))  # raises KeyMissing before anything is destroyed
    for epoch in kept:
        if epoch != current:
            provider.destroy(epoch)
    if len(kept) < 2:
        provider.destroy(current - 1)  # a torn destroy leaves a slot that no longer parses


def _reseal(store: KeyStore, old: EpochSealer, new: EpochSealer, on_step: Step) -> None:
    last = ""
    while rows := store.owners_after(last, _CHUNK):
        store.replace_owners(
            [OwnerRow(row.id, *old.reseal(row.id, row.sealed or b"", new)) for row in rows]
        )
        _check(store, new, [row.id for row in rows])
        last = rows[-1].id
        on_step("resealed")


def _check(store: KeyStore, new: EpochSealer, names: Sequence[str]) -> None:
    """Losing a key is losing data: every row is read back before the old KEK may go."""
    for name, row in store.owners(names).items():
        if not new.opens(name, row.sealed or b""):
            raise IntegrityError(f"the row of {name} reads back damaged; nothing was erased")
