"""Skips that CI accepts are listed, and the others fail."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.skips import LIST, expected

ROOT = Path(__file__).parent.parent
_SKIPS = """
import pytest

def test_skips():
    pytest.skip("nothing to see")

@pytest.mark.xfail
def test_is_known_to_fail():
    assert False
"""


def run(folder: Path, content: str, **variables: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_made.py").write_text(content)
    words = ["-p", "tests.skips", "-p", "no:cacheprovider", "-q", f"--rootdir={folder}"]
    kept = {name: value for name, value in os.environ.items() if name != "CI"}
    return subprocess.run(
        [sys.executable, "-m", "pytest", *words, folder],
        cwd=ROOT,
        env=kept | {"PYTEST_ADDOPTS": ""} | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_skip_that_is_not_listed_fails_in_ci_alone(tmp_path: Path) -> None:
    done = run(tmp_path, _SKIPS, CI="true")
    assert done.returncode == 1
    assert "nothing to see" in done.stdout
    assert "1 failed, 1 xfailed" in done.stdout
    assert run(tmp_path, _SKIPS).returncode == 0


def test_a_whole_file_that_skips_fails_in_ci(tmp_path: Path) -> None:
    whole = "import pytest\npytest.skip('all of it', allow_module_level=True)\n"
    assert run(tmp_path, whole, CI="true").returncode != 0


def test_a_listed_skip_is_covered_with_its_reason_only() -> None:
    (one,) = expected("# why\n\ntests/a/test_b.py: no compiler\n")
    assert one.covers("tests/a/test_b.py::test_c[x]", "there is no compiler here")
    assert not one.covers("tests/a/test_b.py::test_c", "too lazy")
    assert not one.covers("tests/a/test_bee.py::test_c", "no compiler")
    with pytest.raises(ValueError, match="reason"):
        expected("tests/a/test_b.py")


def test_what_is_listed_exists() -> None:
    for one in expected(LIST.read_text()):
        path, _, name = one.where.partition("::")
        assert (ROOT / path).exists(), one
        assert name.partition("[")[0] in (ROOT / path).read_text() if name else True, one
