"""A real key service for tests, whose passphrase is cheap to check."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cloister.core.clock import SystemClock
from cloister.core.errors import KeyServiceDown
from cloister.core.ids import LabId
from cloister.keys import KeyClient, launch, recovery
from cloister.keys.providers.file import FileProvider
from cloister.keys.providers.passphrase import Effort
from cloister.keys.service.vault import Vault

PASSPHRASE = "correct horse battery staple"  # noqa: S105 - for tests only
NO_EFFORT = Effort(seconds=0.0, memory_kib=64)


def make_keys(folder: Path, lab: LabId | None = None) -> str:
    """Makes a lab's keys in ``folder`` under `PASSPHRASE`; gives the recovery code."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    secret = recovery.new_secret()
    vault = Vault(folder, FileProvider(folder, NO_EFFORT), SystemClock())
    vault.create(lab or LabId.new(secrets.token_bytes), PASSPHRASE.encode(), secret)
    vault.close()
    return recovery.write_code(secret)


@contextmanager
def running_keyd(folder: Path, socket_path: Path) -> Iterator[KeyClient]:
    """A client of a key service over ``folder``, unlocked; its process is killed at the end."""
    if not (folder / "keystore.db").exists():
        make_keys(folder)
    client = launch.unlock(launch.start_keyd(folder, socket_path), PASSPHRASE)
    try:
        yield client
    finally:
        kill(client)


def kill(client: KeyClient) -> None:
    """SIGKILLs the key service behind ``client``, and closes the client."""
    with contextlib.suppress(KeyServiceDown, ProcessLookupError):
        os.kill(client.status().pid, signal.SIGKILL)
    client.close()
