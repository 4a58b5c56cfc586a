"""Writes two tables of real series, a row each step: ``hourly.csv`` and ``daily.csv``.

Six loads and the oil temperature of two transformers (ETTh1 and ETTh2: Zhou et al., Informer,
2021; CC BY-ND), hourly, and the exchange rates of eight countries (Lai et al., 2018), daily.
The folder that is given holds ETTh1.csv, ETTh2.csv and exchange_rate.txt.gz.
"""

from __future__ import annotations

import argparse
import csv
import gzip
from collections.abc import Iterable
from pathlib import Path

COUNTRIES = (
    "australia", "britain", "canada", "switzerland",
    "china", "japan", "new_zealand", "singapore",
)  # fmt: skip

Rows = Iterable[tuple[str, str, str]]


def transformers(folder: Path, hours: int) -> Rows:
    """(item, hour, value) of the last so many hours."""
    for name in ("ETTh1", "ETTh2"):
        with (folder / f"{name}.csv").open(newline="", encoding="utf-8") as file:
            head, *lines = csv.reader(file)
        for column, what in enumerate(head[1:], 1):
            for line in lines[-hours:]:
                yield f"{name}-{what}", line[0], f"{float(line[column]):.4f}"


def rates(folder: Path, days: int) -> Rows:
    """(item, day, value) of the last so many days; the source numbers them, nothing more."""
    with gzip.open(folder / "exchange_rate.txt.gz", "rt", encoding="utf-8") as file:
        lines = list(csv.reader(file))
    for column, country in enumerate(COUNTRIES):
        for day in range(len(lines) - days, len(lines)):
            yield country, str(day), lines[day][column]


def write(table: Path, rows: Rows) -> None:
    """One table of three columns."""
    table.parent.mkdir(parents=True, exist_ok=True)
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([("item", "time", "value"), *rows])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("source", type=Path, help="the folder of the three files")
    parser.add_argument("folder", nargs="?", type=Path, default=Path())
    parser.add_argument("--hours", type=int, default=3000)
    parser.add_argument("--days", type=int, default=3000)
    options = parser.parse_args()
    series = options.folder / "series"
    write(series / "hourly.csv", transformers(options.source, options.hours))
    write(series / "daily.csv", rates(options.source, options.days))
    print(f"wrote {series}: 14 items of {options.hours} hours, 8 of {options.days} days")
