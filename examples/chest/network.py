"""A small U-Net that outlines tumours, and what it is measured against."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scans
import torch
from torch import Tensor, nn

LEVELS = np.arange(0.2, 0.65, 0.05)
"""Fractions of the highest uptake that the baseline may choose from."""

Rows = dict[str, Any]


class Outline(nn.Module):
    """(slices, 2, side, side), what `seen` gives -> (slices, side, side) logits."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            [_two(2, width), _two(width, 2 * width), _two(2 * width, 4 * width)]
        )
        self.up = nn.ModuleList([_two(6 * width, 2 * width), _two(3 * width, width)])
        self.last = nn.Conv2d(width, 1, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        first = self.down[0](pictures)
        second = self.down[1](nn.functional.max_pool2d(first, 2))
        x = self.down[2](nn.functional.max_pool2d(second, 2))
        for step, beside in zip(self.up, (second, first), strict=True):
            x = nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = step(torch.cat([x, beside], dim=1))
        return self.last(x)[:, 0]


def _two(given: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(given, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(),
        nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(),
    )  # fmt: skip


def seen(uptake: np.ndarray) -> Tensor:
    """What the network sees of one patient's slices."""
    return torch.from_numpy(np.stack([uptake / 10, uptake / uptake.max()], axis=1))


def learned(
    volumes: list[np.ndarray],
    tumours: list[np.ndarray],
    plan: Rows,
    note: Callable[[int, Outline], None] | None = None,
) -> Outline:
    """A network trained on these patients: cross-entropy and Dice, flipped at random."""
    torch.manual_seed(plan["seed"])
    pictures = torch.cat([seen(one) for one in volumes])
    truth = torch.from_numpy(np.concatenate(tumours)).float()
    model = Outline(plan["width"])
    optimizer = torch.optim.AdamW(model.parameters(), lr=plan["rate"], weight_decay=1e-2)
    for epoch in range(plan["epochs"]):
        model.train()
        for batch in torch.randperm(len(pictures)).split(32):
            x, y = pictures[batch], truth[batch]
            for axis in (1, 2):
                if torch.rand(()) < 0.5:
                    x, y = x.flip(axis + 1), y.flip(axis)
            said = model(x)
            chance = torch.sigmoid(said)
            shared = 2 * (chance * y).sum() / (chance.sum() + y.sum() + 1)
            loss = (
                nn.functional.binary_cross_entropy_with_logits(said, y, 1 + 9 * y) + 1 - shared
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        if note is not None:
            note(epoch, model)
    return model


def outlined(model: Outline, uptake: np.ndarray) -> np.ndarray:
    """The tumour as the network draws it."""
    with torch.no_grad():
        return (model(seen(uptake)) > 0).numpy()


def exported(model: Outline) -> str:
    """The name of a file that holds the network as ONNX, for any number of slices."""
    torch.onnx.export(
        model, (torch.rand(2, 2, scans.SIDE, scans.SIDE),), "outline.onnx", dynamo=False,
        input_names=["uptake"], output_names=["tumour"],
        dynamic_axes={"uptake": {0: "slices"}, "tumour": {0: "slices"}},
    )  # fmt: skip
    return "outline.onnx"


def threshold(volumes: list[np.ndarray], tumours: list[np.ndarray]) -> float:
    """The fraction of the highest uptake that outlines these patients' tumours best."""
    pairs = list(zip(volumes, tumours, strict=True))
    worth = [
        sum(scans.dice(own > level * own.max(), truth > 0) for own, truth in pairs)
        for level in LEVELS
    ]
    return float(LEVELS[int(np.argmax(worth))])


def held_out(rows: Rows, number: int, plan: Rows) -> dict[str, float]:
    """One patient outlined by a network and by a threshold that never saw that patient."""
    volumes, tumours = by_patient(rows)
    own, truth = volumes.pop(number), tumours.pop(number) > 0
    level = threshold(volumes, tumours)
    return {
        "network": scans.dice(outlined(learned(volumes, tumours, plan), own), truth),
        "threshold": scans.dice(own > level * own.max(), truth),
        "threshold of 41 %": scans.dice(own > 0.41 * own.max(), truth),
    }


def by_patient(rows: Rows) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Uptake and tumours, a volume a patient."""
    ends = np.cumsum(rows["slices"])[:-1]
    return np.split(rows["uptake"], ends), np.split(rows["tumour"], ends)
