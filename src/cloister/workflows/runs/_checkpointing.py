"""Checkpoints, sealed while their job runs."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from cloister.core.ids import RunId
from cloister.fence import Watch
from cloister.runs.checkpoints import Checkpoint, Checkpoints, Looks, Torn
from cloister.workflows._keeping import INLINE, Keeper
from cloister.workflows.lab import Act

KIND = "checkpoint"


def watching(act: Act, run: RunId, checkpoints: Checkpoints) -> Watch:
    """Seals, and puts on record, what is whole: all that is found at one time, or nothing."""

    def take(found: Iterable[Checkpoint]) -> None:
        with act.lab.store.writer("derived") as writer:
            keeper = Keeper(act, run, writer)
            for one in found:
                with suppress(Torn):
                    _keep(keeper, one)
            if keeper.kept:
                act.record(keeper.events(), keeper.placements())
                checkpoints.sealed += len(keeper.kept)

    return Watch(checkpoints.moment_s, Looks(checkpoints, take))


def _keep(keeper: Keeper, one: Checkpoint) -> None:
    if one.size_bytes > INLINE:
        keeper.keep_stream(one.path, one.chunks, one.size_bytes, KIND)
    else:
        keeper.keep(one.path, KIND, b"".join(one.chunks))
