from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cloister.testing.clock import ManualClock
from tests.store.small_store import SmallStore, small_store


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[SmallStore]:
    with small_store(tmp_path / "lab") as opened:
        yield opened
