"""Drain: the key service's own journal, checked and summed up in the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from cloister.core.errors import IntegrityError
from cloister.core.events import Transaction
from cloister.identity import key_use
from cloister.keys.journal import check_journal
from cloister.keys.values import JournalEntry
from cloister.policy import Action
from cloister.workflows.lab import Lab

_TOGETHER = 10_000
_ROUTINE = frozenset({"journal", "lease", "sign-log"})
"""Asked by every command that writes: on record only together with something else."""


def drain(lab: Lab) -> None:
    """Puts on record what the key service was asked since the last time, by whomever.

    The journal is chained: an entry altered or dropped before it was drained raises
    IntegrityError. Any member's command may drain what any other asked.
    """
    act = lab.act(Action.LIST)

    def write(tx: Transaction) -> None:
        after, digest = key_use.last_drained(tx)
        entries = _since(lab, after, digest)
        if all(entry.verb in _ROUTINE for entry in entries):
            return
        last, digest = check_journal(entries, after, digest)
        body = {
            "digest": digest.hex(),
            "first": after + 1,
            "last": last,
            "refused": sum(entry.outcome != "ok" for entry in entries),
            "verbs": dict(Counter(entry.verb for entry in entries)),
        }
        lab.ledger.append(tx, [act.event("keys.journaled", body)])

    lab.database.write(write)


def _since(lab: Lab, after: int, digest: bytes) -> Sequence[JournalEntry]:
    """The entries after ``after``, which must still be the one that was drained last."""
    if after == 0:
        return lab.keys.journal(0, _TOGETHER)
    found = lab.keys.journal(after - 1, _TOGETHER)
    if not found or (found[0].number, found[0].digest) != (after, digest):
        raise IntegrityError(
            f"the key service's journal no longer holds entry {after} as it was drained",
            hint="somebody replaced the key store by an older one: see `cloister doctor`",
        )
    return found[1:]
