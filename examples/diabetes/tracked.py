"""Learns how far diabetes will progress in a year, and logs with MLflow how it goes.

An ordinary script: it names no server, and leaves the address to MLflow's own variables.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import mlflow
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.metrics import mean_absolute_error
from sklearn.model_selection import train_test_split
from train import SEED, read


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with diabetes.csv")
    parser.add_argument("--trees", type=int, default=150)
    parser.add_argument("--rate", type=float, default=0.04)
    options = parser.parse_args()

    _, x, y = read(options.data)
    inside, outside, learned, truth = train_test_split(x, y, test_size=0.25, random_state=SEED)
    mlflow.set_experiment("diabetes, tree by tree")
    with mlflow.start_run(run_name=f"{options.trees} trees"):
        mlflow.log_params({"trees": options.trees, "rate": options.rate, "seed": SEED})
        model = GradientBoostingRegressor(
            n_estimators=options.trees,
            learning_rate=options.rate,
            max_depth=2,
            random_state=SEED,
        ).fit(inside, learned)
        for step, foretold in enumerate(model.staged_predict(outside)):
            error = mean_absolute_error(truth, foretold)
            mlflow.log_metric("mean_absolute_error", error, step=step)
    print(f"{len(x)} patients, {options.trees} trees, mean absolute error {error:.1f}")


if __name__ == "__main__":
    main()
