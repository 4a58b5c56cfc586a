"""Small durable files: written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from cloister.core.errors import DurabilityLost


def write_durably(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replaces ``path`` atomically: bytes, fsync, rename, fsync of the folder."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise DurabilityLost(f"could not write a file durably: {error.strerror}") from error


def private_folder(path: Path) -> Path:
    """``path`` as a folder only this user can enter."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.chmod(0o700)
    return path
