"""Fixtures that attacks borrow from the tests of what they attack."""

from __future__ import annotations

from tests.fence.conftest import bench, own_bench
from tests.workflows.people.conftest import founded, own_team, team

__all__ = ["bench", "founded", "own_bench", "own_team", "team"]
