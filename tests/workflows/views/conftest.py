"""A lab of tracking on each engine, and one on SQLite alone."""

from __future__ import annotations

from tests.tracking import conftest

lab = conftest.lab
quick_lab = conftest.quick_lab
