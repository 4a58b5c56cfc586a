"""What somebody has who holds a copy of a keys folder and the passphrase."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cloister.core.clock import SystemClock
from cloister.core.signing import PublicKey
from cloister.keys.providers.file import FileProvider
from cloister.keys.providers.seam import Credential
from cloister.keys.service.labkeys import LabKeys
from cloister.keys.service.vault import Vault


@dataclass(frozen=True)
class StolenKey:
    """The log's private key, in the wrong hands: a core `Signer`."""

    keys: LabKeys

    @property
    def public_key(self) -> PublicKey:
        return PublicKey.parse(self.keys.public_keys()["log"])

    def sign(self, message: bytes) -> bytes:
        return self.keys.sign("log", message)


@contextmanager
def opened_vault(keys_folder: Path, copy: Path, passphrase: bytes) -> Iterator[Vault]:
    """The vault of a copy of ``keys_folder``, made here; raises what `unlock` raises."""
    shutil.copytree(keys_folder, copy, ignore=shutil.ignore_patterns("keyd.lock"))
    vault = Vault(copy, FileProvider(copy), SystemClock())
    try:
        vault.unlock(Credential("passphrase", passphrase))
        yield vault
    finally:
        vault.close()
