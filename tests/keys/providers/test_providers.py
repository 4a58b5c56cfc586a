"""Every key provider passes the same suite."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings

from cloister.keys.providers.file import FileProvider
from cloister.keys.providers.seam import PassphraseKeeper
from cloister.testing.keyd import NO_EFFORT
from cloister.testing.kms import MemoryMedium, MemoryProvider
from cloister.testing.kms_suite import KeyProviderMachine, KeyProviderSuite


class TestFileProvider(KeyProviderSuite):
    def open(self, folder: Path) -> PassphraseKeeper:
        return FileProvider(folder, NO_EFFORT)


class TestMemoryProvider(KeyProviderSuite):
    def open(self, folder: Path) -> PassphraseKeeper:
        media = self.__dict__.setdefault("media", {})
        return MemoryProvider(media.setdefault(folder, MemoryMedium()))


class FileMachine(KeyProviderMachine):
    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="cloister-keys-"))
        super().__init__()

    def open(self) -> PassphraseKeeper:
        return FileProvider(self.folder, NO_EFFORT)

    def teardown(self) -> None:
        shutil.rmtree(self.folder)


class MemoryMachine(KeyProviderMachine):
    def __init__(self) -> None:
        self.medium = MemoryMedium()
        super().__init__()

    def open(self) -> PassphraseKeeper:
        return MemoryProvider(self.medium)


TestFileMachine = FileMachine.TestCase
TestFileMachine.settings = settings(max_examples=8, stateful_step_count=12)
TestMemoryMachine = MemoryMachine.TestCase
