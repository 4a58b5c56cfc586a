"""Benches for the tests of the fence, and for the attacks on it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fence.benches import Bench, new_bench, others


@contextmanager
def set_up(user: int | None) -> Iterator[Bench]:
    """A bench below a folder that every user may pass."""
    folder = Path(tempfile.mkdtemp(prefix="fence-", dir="/var/tmp"))
    try:
        yield new_bench(folder, user)
    finally:
        shutil.rmtree(folder)


@pytest.fixture(params=["own", *(f"user{user}" for user in others())])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """A bench of this user; where the tests are root, also one of a user without rights."""
    with set_up(None if request.param == "own" else int(request.param[4:])) as made:
        yield made


@pytest.fixture
def own_bench() -> Iterator[Bench]:
    """A bench whose jobs this very process runs."""
    with set_up(None) as made:
        yield made
