"""Benches for the tests of the fence, and for the attacks on it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fence.benches import Bench, new_bench, others


@pytest.fixture(params=["own", *(f"user{user}" for user in others())])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """A bench of this user; where the tests are root, also one of a user without rights."""
    user = None if request.param == "own" else int(request.param.removeprefix("user"))
    folder = Path(tempfile.mkdtemp(prefix="fence-", dir="/var/tmp"))
    try:
        yield new_bench(folder, user)
    finally:
        shutil.rmtree(folder)
