"""In CI a skipped test is a failed one, unless tests/expected_skips.txt lists it.

A line of that file is a test, a file or a folder of tests, then `: `, then a part of the
reason that the skip must give. Registered as a plugin by tests/conftest.py.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest

LIST = Path(__file__).with_name("expected_skips.txt")


@dataclass(frozen=True, slots=True)
class ExpectedSkip:
    """One skip that CI accepts."""

    where: str
    reason: str

    def covers(self, test: str, reason: str) -> bool:
        """Whether this skip of this test is the one meant."""
        inside = test == self.where or test.startswith((f"{self.where}::", f"{self.where}/"))
        return (inside or test.startswith(f"{self.where}[")) and self.reason in reason


def expected(text: str) -> list[ExpectedSkip]:
    """The skips that ``text`` lists; raises ValueError for a line that is none."""
    lines = (line.strip() for line in text.splitlines())
    parts = [line.partition(": ") for line in lines if line and not line.startswith("#")]
    for where, _, reason in parts:
        if not reason:
            raise ValueError(f"expected_skips.txt: {where}: a skip is listed with its reason")
    return [ExpectedSkip(where, reason) for where, _, reason in parts]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that skipped."""
    report = yield
    _judge(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A whole file that skipped."""
    report = yield
    _judge(report)
    return report


def _judge(report: pytest.TestReport | pytest.CollectReport) -> None:
    if os.environ.get("CI") != "true" or report.outcome != "skipped":
        return
    if hasattr(report, "wasxfail"):
        return
    reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
    if any(one.covers(report.nodeid, reason) for one in expected(LIST.read_text())):
        return
    report.outcome = "failed"
    report.longrepr = f"{reason}\nNot in tests/expected_skips.txt: CI accepts no other skips."
