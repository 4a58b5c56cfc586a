"""Foretells how far diabetes progresses in a year: a small network and a plain PyTorch loop.

An ordinary script that logs a figure a step, by hand, as most scripts do. It reads the table
that ``../diabetes/data.py`` writes.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import mlflow
import torch
from torch import Tensor, nn

SEED = 7


def read(folder: Path) -> tuple[Tensor, Tensor]:
    """(patients, 10) measurements in standard units, and (patients, 1) progressions."""
    table = next(folder.rglob("diabetes.csv"))
    with table.open(newline="", encoding="utf-8") as file:
        rows = torch.tensor([list(map(float, row[1:])) for row in list(csv.reader(file))[1:]])
    measured = rows[:, :-1]
    return (measured - measured.mean(0)) / measured.std(0), rows[:, -1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--hidden", type=int, default=32)
    parser.add_argument("--rate", type=float, default=5e-3)
    options = parser.parse_args()

    torch.manual_seed(SEED)
    measured, progressed = read(options.data)
    order = torch.randperm(len(measured))
    held_out, inside = order[: len(order) // 4], order[len(order) // 4 :]
    model = nn.Sequential(
        nn.Linear(measured.shape[1], options.hidden), nn.ReLU(), nn.Dropout(0.2),
        nn.Linear(options.hidden, 1),
    )  # fmt: skip
    scale = progressed[inside].mean()
    optimizer = torch.optim.AdamW(model.parameters(), lr=options.rate, weight_decay=1e-2)

    mlflow.set_experiment("diabetes")
    with mlflow.start_run(run_name="network"):
        mlflow.log_params({"hidden": options.hidden, "rate": options.rate, "seed": SEED})
        step = 0
        for _ in range(options.epochs):
            model.train()
            for batch in inside[torch.randperm(len(inside))].split(32):
                loss = nn.functional.mse_loss(model(measured[batch]), progressed[batch] / scale)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                mlflow.log_metric("loss", loss.item(), step=step)
                step += 1
            model.eval()
            with torch.no_grad():
                off = (model(measured[held_out]) * scale - progressed[held_out]).abs().mean()
            mlflow.log_metric("held_out_mae", off.item(), step=step)
        guess = (progressed[held_out] - scale).abs().mean()
        mlflow.log_metric("mae_of_the_mean", guess.item())
        torch.save(model.state_dict(), "model.pt")
        mlflow.log_artifact("model.pt")
    print(f"{len(measured)} patients, {len(held_out)} held out, {step} steps")
    print(f"mean absolute error {off:.1f} (guessing the mean: {guess:.1f})")


if __name__ == "__main__":
    main()
