"""A key service of its own for whoever asks for one."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloister.core.clock import SystemClock
from cloister.core.errors import KeyServiceDown
from cloister.core.ids import LabId
from cloister.keys import KeyClient
from cloister.keys.create import create_keys

PASSPHRASE = "correct horse battery staple"


@pytest.fixture
def socket_path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "keyd.sock"


@pytest.fixture
def keys_folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def keyd(keys_folder: Path, socket_path: Path) -> Iterator[KeyClient]:
    """A client of a key service with fresh keys; the process is gone afterwards."""
    lab = LabId.new(secrets.token_bytes)
    client, _ = create_keys(
        keys_folder, lab, PASSPHRASE, socket_path=socket_path, clock=SystemClock()
    )
    yield client
    stop(client)


def stop(client: KeyClient) -> None:
    """Ends the key service behind ``client``, whatever state it is in."""
    with contextlib.suppress(KeyServiceDown, ProcessLookupError):
        os.kill(client.status().pid, signal.SIGKILL)
    client.close()
