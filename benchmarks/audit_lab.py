"""How fast `cloister audit` replays a lab that the command line has filled.

    python -m benchmarks.audit_lab [--quick] [--at FOLDER]

20,000 files of 200 subjects with a label each, one version, one run and an erasure: 40,000
events and more. The rates are those the audit reports; the time of the whole command stands
beside them. Wanted: 50,000 events/s for the log alone, 10,000/s with every row.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

from benchmarks.line import append
from benchmarks.shell import PATTERN, Shell, new_lab, write_files


def filled(shell: Shell, files: int) -> float:
    """A lab with everything in it; seconds of its add with labels."""
    source = write_files(shell.work / "data", files, 256)
    lines = [f"{file.relative_to(source)},{file.stem}" for file in source.rglob("*.bin")]
    labels = shell.work / "labels.csv"
    labels.write_text("\n".join(["path,finding", *lines]) + "\n")
    added = shell(
        "add", source, "--no-checks", "--labels", labels, "--subject-pattern", PATTERN
    )
    shell("run", "--", "true")
    shell("erase", "P0000", "--reason", "asked for it", "--yes")
    return added.wall_s


def audited(shell: Shell, rounds: int, *options: str) -> dict[str, object]:
    """Some audits of the same lab."""
    ran = [shell("--json", "audit", *options) for _ in range(rounds)]
    assert all(one.value["whole"] for one in ran), ran[0].output
    rates = [one.value["entries"] / one.value["seconds"] for one in ran]
    return {
        "events": ran[0].value["entries"],
        "rows": ran[0].value["rows"],
        "events_per_s": round(statistics.median(rates)),
        "command_s": round(statistics.median(one.wall_s for one in ran), 3),
        "raw": {
            "audit_s": [one.value["seconds"] for one in ran],
            "command_s": [one.wall_s for one in ran],
            "cpu_s": [one.cpu_s for one in ran],
        },
    }


def main() -> None:
    """Measures and adds one line to the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="2,000 files, two rounds")
    parser.add_argument("--at", type=Path, help="a folder on the disk to measure")
    options = parser.parse_args()
    files, rounds = (2_000, 2) if options.quick else (20_000, 5)
    with new_lab(options.at) as shell:
        measured: dict[str, object] = {
            "files": files,
            "add_with_labels_s": round(filled(shell, files), 2),
            "log": audited(shell, rounds, "--log-only") | {"wanted_per_s": 50_000},
            "with_rows": audited(shell, rounds) | {"wanted_per_s": 10_000},
        }
    append("audit_lab", measured)


if __name__ == "__main__":
    main()
