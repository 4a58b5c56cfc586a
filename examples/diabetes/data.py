"""Writes the diabetes study as one table: 442 real patients, a row each.

Ten measurements of each patient at the start, and a measure of how far the disease had
progressed one year later (Efron, Hastie, Johnstone and Tibshirani, "Least Angle
Regression", Annals of Statistics 32, 2004). scikit-learn carries the data: nothing is
downloaded. The patients have no names there; P0001 to P0442 are their places in the table.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from sklearn.datasets import load_diabetes

# scikit-learn's s1 to s6 are blood serum measurements; these are their names in the study.
NAMES = {
    "s1": "total_cholesterol",
    "s2": "ldl",
    "s3": "hdl",
    "s4": "cholesterol_hdl_ratio",
    "s5": "log_triglycerides",
    "s6": "glucose",
    "bp": "blood_pressure",
}


def write(folder: Path) -> Path:
    """Writes ``diabetes/diabetes.csv`` below ``folder``."""
    study = load_diabetes(scaled=False)
    table = folder / "diabetes" / "diabetes.csv"
    table.parent.mkdir(parents=True, exist_ok=True)
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        names = [NAMES.get(name, name) for name in study.feature_names]
        writer.writerow(["patient_id", *names, "progression"])
        for number, (row, target) in enumerate(zip(study.data, study.target, strict=True), 1):
            values = [f"{value:g}" for value in (*row, target)]
            writer.writerow([f"P{number:04}", *values])
    return table


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path())
    print(f"wrote {write(parser.parse_args().folder)}")
