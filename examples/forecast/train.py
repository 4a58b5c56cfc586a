"""Fits DeepAR to all but the last two weeks and tries it on the first of them: for a sweep.

An ordinary script. The last week, on which `flow.py` compares, is not looked at. It logs the
CRPS and leaves the network as ONNX.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import mlflow
import pandas as pd
import series

import models

WINDOWS = 7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rate", type=float, default=5e-3)
    parser.add_argument("--hidden", type=int, default=32)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--context", type=int, default=48)
    parser.add_argument("--likelihood", default="student-t", choices=["student-t", "gaussian"])
    options = parser.parse_args()

    items, values, first = series.read(options.data, "hourly")
    table = {"items": items, "values": values[:, : -24 * WINDOWS], "horizon": 24}
    known = series.ends(table, WINDOWS)
    begin = pd.Period(first, "h")
    plan = vars(options) | {
        "freq": "h", "horizon": 24, "lags": [1, 2, 3, 24, 48, 168],
        "features": ["hour", "weekday"], "seed": 7,
    }  # fmt: skip
    learn = [(begin, one[: known[0]]) for one in values]
    asked = [(begin, one[:end]) for one in values for end in known]
    paths = models.deepar(learn, asked, plan).reshape(len(items), WINDOWS, models.PATHS, 24)
    came = series.truth(table, WINDOWS, list(range(len(items))))
    worth = {"crps": series.crps(paths, came), "coverage_80": series.coverage(paths, came)}
    with mlflow.start_run(run_name="deepar"):
        mlflow.log_metrics(worth)
    models.exported(plan, Path("model.safetensors"))
    print(f"CRPS {worth['crps']:.4f}, 80 % covers {worth['coverage_80']:.2f}")


if __name__ == "__main__":
    main()
