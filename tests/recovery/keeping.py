"""A copy of the keys folder, as its second copy would be."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.attacks.killing import kill_keyd
from tests.conftest import Shell


def copy_keys(shell: Shell) -> Path:
    """Today's keys folder in another place; the key service is locked afterwards."""
    copy = shell.folder.parent / "keys"
    shutil.rmtree(copy, ignore_errors=True)
    (keys,) = (shell.home / ".local/share/cloister").iterdir()
    kill_keyd(shell)  # the folder is at rest
    shutil.copytree(keys, copy)
    return copy
