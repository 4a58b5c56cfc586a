"""A lab that keeps artifacts too: with a real store, and a real key service beside it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cloister.core.ids import RunId
from cloister.store import Store, open_backend
from cloister.testing.keyd import running_keyd
from cloister.workflows.tracking import experiments, runs
from cloister.workflows.tracking.runs import NewRun
from cloister.workflows.tracking.visit import Visit
from tests.tracking.lab import TrackingLab


class SealingLab(TrackingLab):
    """One lab, in a folder of its own."""

    folder: Path

    def fenced(self) -> Visit:
        """A run of the fence, at its door."""
        return self.visit("engineer", self.keys.new_owner(RunId))

    def run(self, visit: Visit, name: str = "trials") -> str:
        """The address of a new run's artifacts."""
        try:
            number = experiments.create(visit, name)
        except Exception:
            number = str(experiments.named(visit, name).experiment.number)
        made = runs.create(visit, NewRun(number)).run
        return made.artifacts.removeprefix("mlflow-artifacts:/")

    def stored(self) -> int:
        """How many objects can be read."""
        return self.rows("placement")


@contextmanager
def sealing_lab(uri: str | None = None) -> Iterator[SealingLab]:
    """A lab until the block ends, whole then; its database is at ``uri``, or in its folder."""
    folder = Path(tempfile.mkdtemp(prefix="cl-"))  # short: a socket's path has 107 bytes
    made = SealingLab(uri or folder / "lab.db")
    made.folder = folder
    (folder / "run").mkdir(mode=0o700)
    try:
        with running_keyd(folder / "keys", folder / "run" / "s") as keys:
            made.keys = keys
            (folder / "store").mkdir()
            made.store = Store(open_backend(f"file:{folder / 'store'}"), made.database)
            yield made
            assert made.audit().findings == ()
            made.store.close()
    finally:
        made.close()
        shutil.rmtree(folder, ignore_errors=True)
