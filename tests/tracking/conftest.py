"""A lab for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cloister.workflows.tracking.visit import Visit
from tests.tracking.lab import TrackingLab


@pytest.fixture
def lab() -> Iterator[TrackingLab]:
    made = TrackingLab()
    yield made
    made.close()


@pytest.fixture
def visit(lab: TrackingLab) -> Visit:
    return lab.visit()
