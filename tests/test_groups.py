"""Tests that must not run side by side do not: those of one group have one worker."""

from __future__ import annotations

import re
import subprocess
import sys
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
    words = ("-n", "2", "--dist", "loadgroup", "-v", "-p", "no:cacheprovider")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words, str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    workers = re.findall(r"\[(gw\d)\].* PASSED", done.stdout)
    assert len(workers) == 4
    assert len(set(workers)) == 1
