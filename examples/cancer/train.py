"""Tells malignant masses from benign ones: scikit-learn, with everything logged by autolog.

An ordinary script. ``mlflow.sklearn.autolog()`` is the only line about tracking: it logs the
parameters, the figures on the training data, the model and the estimator's class by itself.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import mlflow
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

SEED = 7


def read(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """(patients, 30) features and whether each mass was malignant."""
    table = next(folder.rglob("cancer.csv"))
    with table.open(newline="", encoding="utf-8") as file:
        rows = [list(map(float, row[1:])) for row in list(csv.reader(file))[1:]]
    table = np.array(rows)
    return table[:, :-1], table[:, -1].astype(int)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--strength", type=float, default=1.0, help="inverse of the penalty")
    options = parser.parse_args()

    features, malignant = read(options.data)
    inside, outside, learned, truth = train_test_split(
        features, malignant, test_size=0.25, random_state=SEED, stratify=malignant
    )
    mlflow.set_experiment("breast masses")
    mlflow.sklearn.autolog()
    with mlflow.start_run(run_name="logistic regression"):
        model = make_pipeline(
            StandardScaler(), LogisticRegression(C=options.strength, max_iter=1000)
        )
        model.fit(inside, learned)
        area = roc_auc_score(truth, model.predict_proba(outside)[:, 1])
        right = model.score(outside, truth)
        mlflow.log_metrics({"held_out_auc": area, "held_out_accuracy": right})
    print(f"{len(features)} patients, {len(outside)} held out")
    print(f"accuracy {right:.3f}, area under the curve {area:.3f}")


if __name__ == "__main__":
    main()
