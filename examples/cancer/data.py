"""Writes the Wisconsin breast-cancer study as one table: 569 real patients, a row each.

Thirty features of the nuclei in a fine-needle aspirate of a breast mass, and whether it was
malignant (Wolberg, Mangasarian and Street, 1995). scikit-learn carries the data: nothing is
downloaded. The patients have no names there; W0001 to W0569 are their places in the table.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from sklearn.datasets import load_breast_cancer


def write(folder: Path) -> Path:
    """Writes ``cancer/cancer.csv`` below ``folder``."""
    study = load_breast_cancer()
    table = folder / "cancer" / "cancer.csv"
    table.parent.mkdir(parents=True, exist_ok=True)
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        names = [str(name).replace(" ", "_") for name in study.feature_names]
        writer.writerow(["patient_id", *names, "malignant"])
        for number, (row, target) in enumerate(zip(study.data, study.target, strict=True), 1):
            values = [f"{value:g}" for value in row]
            writer.writerow([f"W{number:04}", *values, 1 - int(target)])
    return table


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path())
    print(f"wrote {write(parser.parse_args().folder)}")
