"""Fixtures: a small lab, and a target in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cloister.testing.backend import MemoryBackend
from tests.recovery.small_lab import SmallLab, small_lab


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[SmallLab]:
    with small_lab(tmp_path) as made:
        yield made


@pytest.fixture
def target() -> MemoryBackend:
    return MemoryBackend()
