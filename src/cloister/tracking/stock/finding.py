"""Which form of store an address names."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from cloister.core.errors import BadInput, NotFound
from cloister.tracking.stock.database import DatabaseStore
from cloister.tracking.stock.described import TracedStore
from cloister.tracking.stock.folder import FolderStore


def open_store(address: str, artifacts: Path | None = None) -> TracedStore:
    """The store at ``sqlite:///PATH``, ``file:///FOLDER`` or a bare path of either.

    ``artifacts`` is where a server kept what clients call ``mlflow-artifacts:/``. Raises
    BadInput for any other address, NotFound where nothing is.
    """
    path = _path(address)
    if path.is_dir():
        return FolderStore(path, artifacts)
    if path.is_file():
        return DatabaseStore(path, artifacts)
    raise NotFound(
        "there is no MLflow store at this address",
        hint="name the folder mlruns, or the file: sqlite:///mlflow.db",
    )


def _path(address: str) -> Path:
    if "://" not in address and not address.startswith("file:"):
        return Path(address)
    parts = urlsplit(address)
    if parts.scheme == "sqlite" and not parts.netloc:
        # As SQLAlchemy has it: three slashes and a path from here, four and a whole one.
        return Path(unquote(parts.path[1:]))
    if parts.scheme == "file" and parts.netloc in {"", "localhost"}:
        return Path(unquote(parts.path))
    raise BadInput(
        f"stores at {parts.scheme}: are not read",
        hint="copy the server's SQLite file or its folder here; or dump its database to SQLite",
    )
