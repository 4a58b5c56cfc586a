"""Older copies of a lab's folder, opened beside the lab itself."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cloister.app.config import Config, load_database, load_id
from cloister.app.platform import MIGRATIONS
from cloister.core.errors import BadInput
from cloister.db import is_behind, is_server, open_database, snapshot
from cloister.store import Store, open_backend
from cloister.workflows.recovery.readback import Copy


@contextmanager
def opened_copy(config: Config, folder: Path) -> Iterator[Copy]:
    """An older copy of this lab, to read with today's keys; BadInput for another's."""
    folder = folder.absolute()
    if load_id(folder) != config.lab:
        raise BadInput("that is a copy of another lab", hint="keys open their own lab only")
    with _readable(folder, config.folder) as uri:
        database = open_database(uri, MIGRATIONS, read_only=True)
        objects = Store(open_backend(f"file:{folder / 'store'}"), database)
        try:
            yield Copy(database, objects)
        finally:
            objects.close()
            database.close()


@contextmanager
def _readable(copy: Path, beside: Path) -> Iterator[str]:
    """The copy's database; of one that an earlier release wrote, a copy brought up to date."""
    uri = load_database(copy)
    path = copy / "lab.db"
    if is_server(uri) or not is_behind(path, MIGRATIONS):
        yield uri
        return
    with tempfile.TemporaryDirectory(prefix="copy-", dir=beside) as folder:
        ours = Path(folder) / "lab.db"
        snapshot(path, ours)
        open_database(f"sqlite:{ours}", MIGRATIONS).close()
        yield f"sqlite:{ours}"
