"""Labs in memory and on disk, closed when the test ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.ledger.lab import Lab, LogKey

NewLab = Callable[..., Lab]


@pytest.fixture
def new_lab() -> Iterator[NewLab]:
    """Opens labs: ``new_lab(path, key)``, in memory without a path."""
    opened: list[Lab] = []

    def open_one(path: Path | None = None, key: LogKey | None = None) -> Lab:
        opened.append(Lab(path, key))
        return opened[-1]

    yield open_one
    for lab in opened:
        lab.close()


@pytest.fixture
def lab(new_lab: NewLab) -> Lab:
    return new_lab()


@pytest.fixture
def disk_lab(new_lab: NewLab, tmp_path: Path) -> Lab:
    return new_lab(tmp_path / "lab.db")
