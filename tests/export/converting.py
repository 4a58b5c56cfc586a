"""Runs the converter as the fence does, but without the fence: files in a folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloister.export import RESULTS, program


@dataclass(frozen=True)
class Conversion:
    """What a conversion left."""

    status: int
    report: dict[str, Any]
    model: bytes | None
    words: str


def convert(
    folder: Path,
    name: str,
    save: Callable[[Path], object],
    *,
    inputs: Sequence[str] = (),
    maker: str = "",
    arguments: Sequence[str] = (),
) -> Conversion:
    """Converts the file that ``save`` writes under ``name``; works in ``folder``."""
    code, job, work = folder / "code", folder / "job", folder / "work"
    for path, content in program():
        (code / path).parent.mkdir(parents=True, exist_ok=True)
        (code / path).write_bytes(content)
    shutil.rmtree(job, ignore_errors=True)
    shutil.rmtree(work / RESULTS, ignore_errors=True)
    (job / "original").mkdir(parents=True)
    work.mkdir(exist_ok=True)
    save(job / "original" / name)
    told = {
        "inputs": list(inputs),
        "maker": maker,
        "original": f"original/{name}",
        "rows_kept": None,
    }
    (job / "job.json").write_text(json.dumps(told))
    done = subprocess.run(
        [sys.executable, str(code), str(job), *arguments],
        cwd=work,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        check=False,
    )
    left = work / RESULTS
    model = left / "model.onnx"
    return Conversion(
        status=done.returncode,
        report=json.loads((left / "report.json").read_text()),
        model=model.read_bytes() if model.is_file() else None,
        words=done.stderr,
    )
