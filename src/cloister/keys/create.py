"""The keys of a new lab."""

from __future__ import annotations

from pathlib import Path

from cloister.core.clock import Clock, timestamp
from cloister.core.ids import LabId
from cloister.keys.client import KeyClient
from cloister.keys.launch import keep_lease, start_keyd
from cloister.keys.recovery import RecoveryKit


def create_keys(
    folder: Path, lab: LabId, passphrase: str, *, socket_path: Path, clock: Clock
) -> tuple[KeyClient, RecoveryKit]:
    """Starts the key service on an empty folder and makes the lab's keys in it.

    Gives a client that holds the owner's lease, and the recovery kit, which exists nowhere
    else. Takes at least half a second: that is what a guess at the passphrase costs. Raises
    Conflict when the folder holds keys already.
    """
    client = start_keyd(folder, socket_path)
    code, lease = client.create(lab, passphrase)
    keep_lease(socket_path, lease)
    return client, RecoveryKit(lab, code, timestamp(clock.now()))
