"""The converter as files: shown to an interpreter that need not have Cloister."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cloister.export.inside.job import RESULTS as _RESULTS

RESULTS = str(_RESULTS)
"""The folder, in the job's working folder, in which it leaves report.json and model.onnx."""
_PACKAGE = "cloister/export/inside"


def program() -> Iterator[tuple[str, bytes]]:
    """Path and content of each file; the folder that holds them is what Python is given."""
    for name in ("cloister/__init__.py", "cloister/export/__init__.py"):
        yield name, b""
    inside = Path(__file__).parent / "inside"
    for path in sorted(inside.glob("*.py")):
        yield f"{_PACKAGE}/{path.name}", path.read_bytes()
    yield "__main__.py", (inside / "__main__.py").read_bytes()
