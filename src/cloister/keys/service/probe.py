"""Tries a key store, an older copy for instance, with the epoch KEK of today."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from cloister.core.errors import BadInput, KeyMissing
from cloister.keys.service.keystore import KeyStore
from cloister.keys.service.vault import Vault
from cloister.keys.values import ProbeResult

_CHUNK = 1000


def probe(path: Path, vault: Vault) -> ProbeResult:
    """How many of its keys open; the file itself is not touched.

    Raises BadInput when it cannot be read, IntegrityError when it is no key store.
    """
    with tempfile.TemporaryDirectory(prefix="cloister-probe-", dir=vault.folder) as folder:
        copy = Path(folder) / "keystore.db"
        try:
            if not path.is_file():  # a device or pipe would never end
                raise BadInput("probe: there is no such key store")
            shutil.copyfile(path, copy)
            log = path.with_name(path.name + "-wal")
            if log.exists():  # what was committed but not yet moved into the main file
                shutil.copyfile(log, copy.with_name("keystore.db-wal"))
        except OSError as error:
            raise BadInput("probe: the key store cannot be read") from error
        store = _opened(copy)
        try:
            return _count(store, vault)
        finally:
            store.close()


def _opened(copy: Path) -> KeyStore:
    try:
        return KeyStore.open(copy)
    except KeyMissing as error:
        raise BadInput("probe: there is no key store") from error


def _count(store: KeyStore, vault: Vault) -> ProbeResult:
    total = opened = 0
    last = ""
    while rows := store.owners_after(last, _CHUNK):
        with vault.keyring() as keyring:
            opened += sum(keyring.sealer.opens(row.id, row.sealed or b"") for row in rows)
        total += len(rows)
        last = rows[-1].id
    return ProbeResult(total, opened)
