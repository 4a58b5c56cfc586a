"""A lab for each test, on each engine."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from cloister.workflows.tracking.visit import Visit
from tests.faults.postgres import PostgresServer
from tests.tracking.lab import TrackingLab

ENGINES = ("sqlite", "postgresql")
_numbers = itertools.count()


def new_uri(request: pytest.FixtureRequest) -> str:
    """A new, empty database of the engine that ``request.param`` names."""
    if request.param == "sqlite":
        return "sqlite::memory:"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.uri(f"tracking_{next(_numbers)}")


@pytest.fixture(params=ENGINES)
def lab(request: pytest.FixtureRequest) -> Iterator[TrackingLab]:
    made = TrackingLab(new_uri(request))
    yield made
    made.close()


@pytest.fixture
def visit(lab: TrackingLab) -> Visit:
    return lab.visit()


@pytest.fixture
def quick_lab() -> Iterator[TrackingLab]:
    """On SQLite alone, for tests of many cases that no engine takes another way."""
    made = TrackingLab()
    yield made
    made.close()


@pytest.fixture
def quick_visit(quick_lab: TrackingLab) -> Visit:
    return quick_lab.visit()
