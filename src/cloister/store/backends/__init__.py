"""Object backends, chosen by URI scheme."""

from __future__ import annotations

from pathlib import Path

from cloister.core.errors import BadInput
from cloister.store.backend import Backend
from cloister.store.backends.file import FileBackend

__all__ = ["FileBackend", "open_backend"]


def open_backend(uri: str) -> Backend:
    """The backend ``uri`` names (``file:/absolute/folder``); raises BadInput for others."""
    scheme, _, rest = uri.partition(":")
    if scheme != "file" or not rest.startswith("/"):
        raise BadInput(f"no object backend {scheme}: expected file:/absolute/folder")
    return FileBackend.open(Path(rest))
