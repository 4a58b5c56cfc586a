"""One JSON line for each measurement: what, raw samples, when, which commit and machine."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).parent


def append(benchmark: str, measured: Mapping[str, object]) -> None:
    """Adds the line to ``results/<benchmark>.jsonl``, and prints it."""
    line = json.dumps({"benchmark": benchmark} | dict(measured) | where())
    results = HERE / "results" / f"{benchmark}.jsonl"
    results.parent.mkdir(exist_ok=True)
    with results.open("a") as file:
        file.write(line + "\n")
    print(line)


def where() -> dict[str, object]:
    """What the figures were taken on."""
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=HERE, capture_output=True, text=True, check=False
    )
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit.stdout.strip(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}",
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
    }
