"""Learns how far diabetes will progress: boosted trees, the error logged as it goes down.

An ordinary script of argparse and MLflow; the parameters are on its command line. What it
logs as ``error`` is on patients held out of the training ones; the test patients, a quarter of
all, are looked at once, at the end, and are nobody's aim.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import mlflow
import numpy as np
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.metrics import mean_absolute_error
from sklearn.model_selection import train_test_split

SEED = 7
ROUNDS, TREES_A_ROUND = 10, 20


def read(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """(patients, 10) measurements, and what came of them."""
    with next(folder.rglob("diabetes.csv")).open(newline="", encoding="utf-8") as file:
        rows = np.array([list(map(float, row[1:])) for row in list(csv.reader(file))[1:]])
    return rows[:, :-1], rows[:, -1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with diabetes.csv")
    parser.add_argument("--rate", type=float, default=0.1)
    parser.add_argument("--depth", type=int, default=3)
    parser.add_argument("--part", type=float, default=1.0, help="of the patients, for a tree")
    parser.add_argument("--loss", default="squared_error")
    options = parser.parse_args()

    x, y = read(options.data)
    kept, tests, target, truth = train_test_split(x, y, test_size=0.25, random_state=SEED)
    inside, outside, learned, held = train_test_split(
        kept, target, test_size=0.33, random_state=SEED
    )
    model = GradientBoostingRegressor(
        learning_rate=options.rate,
        max_depth=options.depth,
        subsample=options.part,
        loss=options.loss,
        warm_start=True,
        random_state=SEED,
    )
    with mlflow.start_run():
        for step in range(ROUNDS):
            model.set_params(n_estimators=(step + 1) * TREES_A_ROUND).fit(inside, learned)
            error = mean_absolute_error(held, model.predict(outside))
            mlflow.log_metric("error", error, step=step)
        test_error = mean_absolute_error(truth, model.predict(tests))
        mlflow.log_metric("test_error", test_error)
    print(f"error {error:.2f} on patients held out, {test_error:.2f} on test patients")


if __name__ == "__main__":
    main()
