"""Vaults in this process, and clocks that can be turned."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cloister.core.ids import LabId
from cloister.keys.providers.file import FileProvider
from cloister.keys.providers.seam import Credential
from cloister.keys.service.rotation import Step, no_step
from cloister.keys.service.vault import Vault
from cloister.testing.keyd import NO_EFFORT

PASSPHRASE = Credential("passphrase", b"open sesame")
RECOVERY = Credential("recovery", b"twenty random bytes!")
LAB = LabId.new(secrets.token_bytes)


class TurnedClock:
    """Stands still until it is turned."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic_s(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


def open_vault(folder: Path, clock: TurnedClock, on_step: Step = no_step) -> Vault:
    """The vault of this folder as a new process would open it; created if there is none."""
    vault = Vault(folder, FileProvider(folder, NO_EFFORT), clock, on_step)
    vault.start()
    if vault.state == "empty":
        vault.create(LAB, PASSPHRASE.secret, RECOVERY.secret)
    else:
        vault.unlock(PASSPHRASE)
    return vault


@pytest.fixture
def vault(tmp_path: Path, clock: TurnedClock) -> Vault:
    return open_vault(tmp_path, clock)
