"""Fixtures of the pages."""

from __future__ import annotations

from tests.workflows.people.conftest import founded, team

__all__ = ["founded", "team"]
