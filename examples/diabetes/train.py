"""Learns how far diabetes will progress in a year, from what was measured at the start.

An ordinary scikit-learn script: it reads a CSV file, trains, and writes model.onnx and
metrics.json. It knows nothing of where it runs.
"""

from __future__ import annotations

import argparse
import csv
import json
import urllib.request
from pathlib import Path

import numpy as np
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

SEED = 7
KEY, TARGET = "patient_id", "progression"


def read(folder: Path) -> tuple[list[str], np.ndarray, np.ndarray]:
    """The names of the measurements, the measurements, and what came of them."""
    table = next(iter(sorted(folder.rglob("diabetes.csv"))), None)
    if table is None:
        raise SystemExit(f"no diabetes.csv below {folder}")
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = [name for name in rows[0] if name not in {KEY, TARGET}]
    x = np.array([[float(row[name]) for name in names] for row in rows], dtype=np.float32)
    y = np.array([float(row[TARGET]) for row in rows], dtype=np.float32)
    return names, x, y


def train(x: np.ndarray, y: np.ndarray) -> Pipeline:
    """Standardised measurements into a few shallow trees."""
    trees = GradientBoostingRegressor(
        n_estimators=150, learning_rate=0.04, max_depth=2, subsample=0.6, random_state=SEED
    )
    return make_pipeline(StandardScaler(), trees).fit(x, y)


def fetch(url: str) -> None:
    """Tries to download something, and carries on when it cannot."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            print(f"fetched {len(answer.read())} bytes from {url}")
    except OSError as error:
        print(f"warning: could not fetch {url} ({error}); going on without it")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with diabetes.csv")
    parser.add_argument("--out", type=Path, default=Path(), help="folder for the results")
    parser.add_argument("--fetch", metavar="URL", help="try to download this first")
    options = parser.parse_args()
    if options.fetch:
        fetch(options.fetch)

    names, x, y = read(options.data)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.25, random_state=SEED)
    model = train(x_train, y_train)
    predicted, mean = model.predict(x_test), np.full_like(y_test, y_train.mean())
    metrics = {
        "patients": len(y),
        "held_out": len(y_test),
        "mae": round(float(mean_absolute_error(y_test, predicted)), 3),
        "r2": round(float(r2_score(y_test, predicted)), 4),
        "mae_of_the_mean": round(float(mean_absolute_error(y_test, mean)), 3),
        "seed": SEED,
    }

    options.out.mkdir(parents=True, exist_ok=True)
    onnx = convert_sklearn(
        model,
        name="diabetes",
        initial_types=[("measurements", FloatTensorType([None, len(names)]))],
        final_types=[("progression", FloatTensorType([None, 1]))],
    )
    # Their order follows Python's hash seed; sorted, the same training gives the same bytes.
    onnx.opset_import.sort(key=lambda each: each.domain)
    (options.out / "model.onnx").write_bytes(onnx.SerializeToString(deterministic=True))
    (options.out / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    print(f"{metrics['patients']} patients, {metrics['held_out']} held out")
    guess = metrics["mae_of_the_mean"]
    print(f"mean absolute error {metrics['mae']} (guessing the mean: {guess})")
    print(f"R2 {metrics['r2']}")


if __name__ == "__main__":
    main()
