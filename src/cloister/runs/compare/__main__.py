"""``python -m cloister.runs.compare FOLDER TOLERANCE``: every pair below FOLDER, as JSON.

FOLDER holds ``a`` and ``b``, and in each a file for every pair: its number, a dot, the end of
the output's name.
"""

from __future__ import annotations

import sys
from pathlib import Path

from cloister.runs.compare.compare import compare
from cloister.runs.compare.finding import encode


def main() -> None:
    """Writes the findings to standard output, in the order of the numbers."""
    folder, tolerance = Path(sys.argv[1]), float(sys.argv[2])
    names = sorted((path.name for path in (folder / "a").iterdir()), key=_number)
    findings = [
        compare(
            name.partition(".")[2],
            (folder / "a" / name).read_bytes(),
            (folder / "b" / name).read_bytes(),
            tolerance,
        )
        for name in names
    ]
    sys.stdout.buffer.write(encode(findings))


def _number(name: str) -> int:
    return int(name.partition(".")[0])


if __name__ == "__main__":
    main()
