"""Looks for good settings with Optuna: a study whose trials are nested runs.

An ordinary script. It reads the table that ``../cancer/data.py`` writes; the best trial is
fitted once more and judged on patients whom no trial saw.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import mlflow
import numpy as np
import optuna
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

SEED = 7


def read(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """(patients, 30) features and whether each mass was malignant."""
    with next(folder.rglob("cancer.csv")).open(newline="", encoding="utf-8") as file:
        rows = np.array([list(map(float, row[1:])) for row in list(csv.reader(file))[1:]])
    return rows[:, :-1], rows[:, -1].astype(int)


def machine(strength: float, reach: float):
    """Features in standard units, then a support vector machine."""
    return make_pipeline(StandardScaler(), SVC(C=strength, gamma=reach))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--trials", type=int, default=12)
    options = parser.parse_args()

    features, malignant = read(options.data)
    inside, outside, learned, truth = train_test_split(
        features, malignant, test_size=0.25, random_state=SEED, stratify=malignant
    )
    folds = StratifiedKFold(3, shuffle=True, random_state=SEED)

    def objective(trial: optuna.Trial) -> float:
        strength = trial.suggest_float("strength", 1e-2, 1e3, log=True)
        reach = trial.suggest_float("reach", 1e-4, 1.0, log=True)
        with mlflow.start_run(run_name=f"trial {trial.number}", nested=True):
            mlflow.log_params(trial.params)
            scores = cross_val_score(
                machine(strength, reach), inside, learned, cv=folds, scoring="roc_auc"
            )
            mlflow.log_metric("auc", scores.mean())
        return float(scores.mean())

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    mlflow.set_experiment("breast masses, settings")
    with mlflow.start_run(run_name="study"):
        study = optuna.create_study(
            direction="maximize", sampler=optuna.samplers.TPESampler(seed=SEED)
        )
        study.optimize(objective, n_trials=options.trials)
        best = machine(**study.best_params).fit(inside, learned)
        area = roc_auc_score(truth, best.decision_function(outside))
        mlflow.log_params({f"best_{name}": value for name, value in study.best_params.items()})
        mlflow.log_metrics({"best_auc": study.best_value, "held_out_auc": area})
    print(f"{options.trials} trials, best {study.best_value:.4f} in cross-validation")
    print(f"area under the curve {area:.4f} on {len(outside)} patients held out")


if __name__ == "__main__":
    main()
