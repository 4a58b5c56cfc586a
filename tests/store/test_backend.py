"""Every object backend passes the same suite."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings

from cloister.core.clock import Clock
from cloister.store.backend import Backend
from cloister.store.backends import FileBackend
from cloister.testing.backend import MemoryBackend
from cloister.testing.backend_machine import BackendMachine
from cloister.testing.backend_suite import BackendSuite


class TestFileBackend(BackendSuite):
    def make(self, folder: Path, clock: Clock) -> Backend:
        return FileBackend.open(folder, clock)


class TestMemoryBackend(BackendSuite):
    def make(self, folder: Path, clock: Clock) -> Backend:
        return MemoryBackend(clock)


class FileMachine(BackendMachine):
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="cloister-store-"))

    def reopen(self) -> Backend:
        backend = FileBackend.open(self.folder / "blobs", self.clock)
        assert not list((self.folder / "blobs/.incoming").iterdir())
        return backend

    def teardown(self) -> None:
        shutil.rmtree(self.folder)


class MemoryMachine(BackendMachine):
    def begin(self) -> None:
        self.memory = MemoryBackend(self.clock)

    def reopen(self) -> Backend:
        return self.memory


FileMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=25)
MemoryMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=25)
TestFileLives = FileMachine.TestCase
TestMemoryLives = MemoryMachine.TestCase
