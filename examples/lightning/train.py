"""Foretells how far diabetes progresses in a year: PyTorch Lightning with MLflow's autolog.

An ordinary script: a LightningModule, a Trainer, one line for MLflow. It reads the table that
``../diabetes/data.py`` writes.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import lightning
import mlflow
import torch
from lightning.pytorch.callbacks import EarlyStopping
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

SEED = 7


def read(folder: Path) -> tuple[Tensor, Tensor]:
    """(patients, 10) measurements in standard units, and (patients, 1) progressions."""
    table = next(folder.rglob("diabetes.csv"))
    with table.open(newline="", encoding="utf-8") as file:
        rows = torch.tensor([list(map(float, row[1:])) for row in list(csv.reader(file))[1:]])
    measured = rows[:, :-1]
    return (measured - measured.mean(0)) / measured.std(0), rows[:, -1:]


class Progress(lightning.LightningModule):
    """A small network over ten measurements."""

    def __init__(self, hidden: int, rate: float, scale: float) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.rate, self.scale = rate, scale
        self.network = nn.Sequential(
            nn.Linear(10, hidden), nn.ReLU(), nn.Dropout(0.2), nn.Linear(hidden, 1)
        )

    def forward(self, measured: Tensor) -> Tensor:
        return self.network(measured)

    def training_step(self, batch: list[Tensor], _: int) -> Tensor:
        measured, progressed = batch
        loss = nn.functional.mse_loss(self(measured), progressed / self.scale)
        self.log("loss", loss)
        return loss

    def validation_step(self, batch: list[Tensor], _: int) -> None:
        measured, progressed = batch
        off = (self(measured) * self.scale - progressed).abs().mean()
        self.log("held_out_mae", off, prog_bar=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=self.rate, weight_decay=1e-2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--hidden", type=int, default=32)
    parser.add_argument("--rate", type=float, default=5e-3)
    options = parser.parse_args()

    lightning.seed_everything(SEED)
    measured, progressed = read(options.data)
    order = torch.randperm(len(measured))
    held_out, inside = order[: len(order) // 4], order[len(order) // 4 :]
    training = TensorDataset(measured[inside], progressed[inside])
    validation = TensorDataset(measured[held_out], progressed[held_out])
    scale = progressed[inside].mean().item()

    mlflow.set_experiment("diabetes")
    mlflow.pytorch.autolog(checkpoint_monitor="held_out_mae")
    trainer = lightning.Trainer(
        max_epochs=options.epochs,
        accelerator="cpu",
        log_every_n_steps=1,
        enable_progress_bar=False,
        logger=False,
        callbacks=[EarlyStopping("held_out_mae", patience=20)],
    )
    with mlflow.start_run(run_name="lightning"):
        trainer.fit(
            Progress(options.hidden, options.rate, scale),
            DataLoader(training, batch_size=32, shuffle=True),
            DataLoader(validation, batch_size=len(validation)),
        )
    off = trainer.callback_metrics["held_out_mae"].item()
    guess = (progressed[held_out] - scale).abs().mean().item()
    print(f"{len(measured)} patients, {len(held_out)} held out, {trainer.global_step} steps")
    print(f"mean absolute error {off:.1f} (guessing the mean: {guess:.1f})")


if __name__ == "__main__":
    main()
