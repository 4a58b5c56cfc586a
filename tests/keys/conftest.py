"""A key service of its own for whoever asks for one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cloister.keys import KeyClient
from cloister.testing.keyd import running_keyd


@pytest.fixture
def socket_path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "keyd.sock"


@pytest.fixture
def keys_folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def keyd(keys_folder: Path, socket_path: Path) -> Iterator[KeyClient]:
    """A client of a key service with fresh keys; the process is gone afterwards."""
    with running_keyd(keys_folder, socket_path) as client:
        yield client
