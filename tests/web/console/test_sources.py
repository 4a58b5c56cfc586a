"""The console's sources: typed, formatted, tested by themselves, small when built."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT

SOURCES = ROOT / "console"
BUILT = ROOT / "src/cloister/web/console/dist"
LONGEST_FILE = 400  # lines
FIRST_PAGE = 100_000  # bytes


@pytest.mark.parametrize("script", ["check", "test"])
def test_they_pass_their_own_checks(script: str) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no Node")
    done = subprocess.run(
        [npm, "run", "--silent", script],
        cwd=SOURCES,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_each_fits_on_a_screen_or_four() -> None:
    files = [path for path in (SOURCES / "src").rglob("*") if path.suffix in {".ts", ".tsx"}]
    long = {path.name: size for path in files if (size := _lines(path)) > LONGEST_FILE}
    assert files
    assert long == {}


def test_the_first_page_is_small() -> None:
    page = (BUILT / "index.html").read_text()
    asked = re.findall(r'(?:src|href)="/console/([^"]+\.(?:js|css))"', page)
    parts = [page.encode(), *((BUILT / name).read_bytes() for name in asked)]
    assert any(name.endswith(".js") for name in asked)
    assert sum(len(gzip.compress(part)) for part in parts) < FIRST_PAGE


def _lines(path: Path) -> int:
    return path.read_text().count("\n")
