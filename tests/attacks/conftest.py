"""Fixtures that attacks borrow from the tests of what they attack."""

from __future__ import annotations

from tests.fence.conftest import bench, own_bench

__all__ = ["bench", "own_bench"]
