"""What is to be converted, as the outside wrote it down."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

RESULTS = Path("cloister-export")
"""Where, in the working folder, report.json and model.onnx are left."""
SYNTHETIC_ROWS = 256
MOST_ROWS = 100_000
SEED = 0


@dataclass(frozen=True)
class Job:
    """One conversion."""

    original: Path
    """The file the run left, beside its neighbours (a config.json)."""
    rows: Path | None
    """Held-out rows, or None to make some up."""
    module: Path | None
    """The user's own file, for a class or function that makes the untrained model."""
    maker: str
    inputs: tuple[str, ...]
    """``1,28,28`` or ``name:int64:128`` each: what one row of an input looks like."""


def read_job(arguments: list[str]) -> Job:
    """The job as the outside wrote it: a folder, then ``--rows=`` and ``--module=`` paths.

    Paths that the user named are arguments, for a fence without namespaces moves those.
    """
    folder = Path(arguments[0])
    named = dict(word[2:].split("=", 1) for word in arguments[1:])
    value = json.loads((folder / "job.json").read_text())
    kept = value["rows_kept"]
    rows = folder / kept if kept else named.get("rows")
    return Job(
        original=folder / value["original"],
        rows=None if rows is None else Path(rows),
        module=Path(named["module"]).resolve() if "module" in named else None,
        maker=value["maker"],
        inputs=tuple(value["inputs"]),
    )
