"""The keys of a new lab."""

from __future__ import annotations

from cloister.core.clock import Clock, timestamp
from cloister.core.ids import LabId
from cloister.keys.client import KeyClient
from cloister.keys.launch import KeyPlace, keep_lease, reach
from cloister.keys.recovery import RecoveryKit
from cloister.keys.sheets import ShareKit
from cloister.keys.values import Recovery

Kit = RecoveryKit | ShareKit


def create_keys(
    place: KeyPlace,
    lab: LabId,
    passphrase: str,
    clock: Clock,
    scheme: tuple[int, int] | None = None,
) -> tuple[KeyClient, Kit]:
    """Makes the lab's keys in the key service at ``place``, and starts that if it is ours.

    Gives a client that holds the owner's lease, and the recovery kit, which exists nowhere
    else: one code, or with a ``scheme`` (needed, made) one sheet a share. Takes at least
    half a second: that is what a guess at the passphrase costs. Raises Conflict when there
    are keys already.
    """
    client = reach(place)
    recovery, lease = client.create(lab, passphrase, scheme)
    keep_lease(client.lease_path, lease)
    return client, kit(lab, recovery, timestamp(clock.now()))


def kit(lab: str, recovery: Recovery, created: str, public_keys: str = "") -> Kit:
    """What to print of it."""
    if recovery.shares is None:
        return RecoveryKit(lab, recovery.code, created, public_keys)
    return ShareKit(lab, recovery.shares, recovery.words, created, public_keys)
