"""What the key service answers, as values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cloister.core.errors import BadInput
from cloister.core.ids import key_id
from cloister.keys.values import CopyStatus, KeyStatus, Lease, Recovery, ShareSet


def status_of(reply: dict[str, Any]) -> KeyStatus:
    """A status; a key service of an earlier release leaves some of it out."""
    shares = reply.get("shares")
    known = {**reply, "shares": ShareSet(*shares) if shares else None}
    return KeyStatus(**{**known, "copy": copy_of(reply.get("copy"))})


def recovery_of(code: str | None, shares: Sequence[Any] | None) -> Recovery:
    """A recovery code, or shares with their words."""
    if shares is None:
        return Recovery(str(code))
    threshold, count, number, words = shares
    return Recovery("", ShareSet(threshold, count, number), tuple(words))


def copy_of(reply: dict[str, Any] | None) -> CopyStatus:
    """How the second copy stands."""
    if reply is None:
        return CopyStatus()
    return CopyStatus(**{**reply, "cleared": tuple(reply["cleared"])})


def lease_of(reply: dict[str, Any]) -> Lease:
    """A lease; raises BadInput for anything else."""
    owners = reply["owners"]
    if not isinstance(reply["token"], bytes):
        raise BadInput("key service reply: not a lease")
    return Lease(
        token=reply["token"],
        purpose=reply["purpose"],
        verbs=frozenset(reply["verbs"]),
        owners=None if owners is None else frozenset(key_id(owner) for owner in owners),
        lifetime_s=reply["lifetime_s"],
        generation=reply["generation"],
    )
