from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from tests.peak import peak_kib
from tests.proof.small_lab import SmallLab
from tests.proof.verifying import SOURCE, deliver


@pytest.mark.slow
def test_hundred_thousand_records_are_verified_on_a_laptop(tmp_path: Path) -> None:
    """docs/adr/0020: 5 s and 200 MiB where this was written; the bounds leave room."""
    delivered = deliver(tmp_path, SmallLab(records=100_000))
    size = sum(file.stat().st_size for file in delivered.folder.rglob("*") if file.is_file())
    assert size < 200e6
    command = [sys.executable, "-I", str(SOURCE), str(delivered.folder)]
    started = time.monotonic()
    peak = peak_kib([*command, "--trust", str(delivered.trust)])
    assert time.monotonic() - started < 60
    assert peak < 400 << 10
