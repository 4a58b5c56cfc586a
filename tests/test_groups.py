"""Tests that must not run side by side do not: those of one group have one worker."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

_FOUR = """
import time
import pytest

@pytest.mark.xdist_group("together")
@pytest.mark.parametrize("number", range(4))
def test_takes_a_while(number):
    time.sleep(0.1)
"""


def test_a_group_has_one_worker(tmp_path: Path) -> None:
    (tmp_path / "test_four.py").write_text(_FOUR)
    (workers,) = workers_of(tmp_path, str(tmp_path)).values()
    assert len(workers) == 1


def test_a_file_has_one_worker() -> None:
    ours = ("tests/core/test_columns.py", "tests/core/test_ids.py", "tests/core/test_words.py")
    found = workers_of(Path(__file__).parents[1], *ours)
    assert set(found) == set(ours)
    assert all(len(workers) == 1 for workers in found.values()), found


def workers_of(folder: Path, *chosen: str) -> dict[str, set[str]]:
    """Which workers ran the tests of each file."""
    words = ("-n", "2", "--dist", "loadgroup", "-vv", "-p", "no:cacheprovider")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words, *chosen],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    workers = defaultdict[str, set[str]](set)
    for worker, file in re.findall(r"\[(gw\d)\].* PASSED (\S+?)::", done.stdout):
        workers[file].add(worker)
    return workers
