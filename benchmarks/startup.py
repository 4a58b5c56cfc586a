"""What a command costs before it does anything.

    python -m benchmarks.startup [--quick] [--at FOLDER]

`import cloister`, beside an interpreter that imports nothing, and what it brought along; then
`--help`, and commands that open a lab (`ls` asks the key service, checks the ledger's head and
lists one dataset): how long each takes, and the processor time of it, which a busy machine
changes less. Wanted: the import below 150 ms, and nothing heavy with it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.line import append
from benchmarks.shell import PATTERN, command, new_lab, write_files

HEAVY = {
    *("asyncio", "click", "cryptography", "httptools", "msgpack", "numpy", "onnxruntime"),
    *("pydicom", "rich", "sqlite3", "ssl", "starlette", "uvicorn", "uvloop"),
}
LOADED = "import cloister, sys, json; print(json.dumps(sorted(sys.modules)))"


def interpreter(code: str, rounds: int) -> list[float]:
    """Milliseconds of an interpreter that runs ``code``."""
    return [command(sys.executable, "-c", code).wall_s * 1e3 for _ in range(rounds)]


def imports(rounds: int) -> dict[str, Any]:
    """The bare import."""
    alone, with_it = interpreter("pass", rounds), interpreter("import cloister", rounds)
    loaded = set(json.loads(command(sys.executable, "-c", LOADED).output))
    heavy = sorted(loaded & HEAVY)
    assert not heavy, f"import cloister loads {heavy}"
    return {
        "import_ms": round(statistics.median(with_it), 1),
        "interpreter_ms": round(statistics.median(alone), 1),
        "wanted_ms": 150,
        "heavy": heavy,
        "raw": {"import_ms": with_it, "interpreter_ms": alone},
    }


def commands(at: Path | None, rounds: int) -> dict[str, Any]:
    """Whole commands, from the shell's point of view."""
    with new_lab(at) as shell:
        write_files(shell.work / "data", 10, 100)
        shell("add", "data", "--no-checks", "--subject-pattern", PATTERN)
        ran = {
            words: [shell(*words.split()) for _ in range(rounds)]
            for words in ("--help", "ls", "ls --runs", "queue", "run --help", "audit")
        }
    wall = {words: [one.wall_s * 1e3 for one in each] for words, each in ran.items()}
    processor = {words: [one.cpu_s * 1e3 for one in each] for words, each in ran.items()}
    return {
        "commands_ms": medians(wall),
        "processor_ms": medians(processor),
        "raw": {"commands_ms": wall, "processor_ms": processor},
    }


def medians(measured: Mapping[str, list[float]]) -> dict[str, float]:
    """Of each row, the middle."""
    return {name: round(statistics.median(row), 1) for name, row in measured.items()}


def main() -> None:
    """Measures and adds one line to the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="five rounds")
    parser.add_argument("--at", type=Path, help="a folder on the disk to measure")
    options = parser.parse_args()
    rounds = 5 if options.quick else 15
    imported, ran = imports(rounds), commands(options.at, rounds)
    append("startup", imported | ran | {"raw": imported["raw"] | ran["raw"]})


if __name__ == "__main__":
    main()
