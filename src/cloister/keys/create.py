"""The keys of a new lab."""

from __future__ import annotations

from pathlib import Path

from cloister.core.clock import Clock, timestamp
from cloister.core.ids import LabId
from cloister.keys.client import KeyClient
from cloister.keys.launch import KeyPlace, keep_lease, reach
from cloister.keys.recovery import RecoveryKit


def create_keys(
    folder: Path, lab: LabId, passphrase: str, *, socket_path: Path, clock: Clock
) -> tuple[KeyClient, RecoveryKit]:
    """Starts the key service on an empty folder and makes the lab's keys in it.

    Gives a client that holds the owner's lease, and the recovery kit, which exists nowhere
    else. Takes at least half a second: that is what a guess at the passphrase costs. Raises
    Conflict when the folder holds keys already.
    """
    place = KeyPlace(socket_path, socket_path.with_name("owner.lease"), folder)
    return create_keys_at(place, lab, passphrase, clock)


def create_keys_at(
    place: KeyPlace, lab: LabId, passphrase: str, clock: Clock
) -> tuple[KeyClient, RecoveryKit]:
    """The same in the key service at ``place``, whoever runs it."""
    client = reach(place)
    code, lease = client.create(lab, passphrase)
    keep_lease(client.lease_path, lease)
    return client, RecoveryKit(lab, code, timestamp(clock.now()))
