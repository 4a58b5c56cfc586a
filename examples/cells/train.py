"""Learns to count the red cells in pictures of blood smears, from pictures with boxes drawn in.

An ordinary PyTorch script: it reads JPEG files and their VOC annotations, trains a small
convolutional network, keeps its state after each epoch, goes on from it when it is there, and
writes model.safetensors and metrics.json. It knows nothing of where it runs.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

SEED = 7
SIZE = (64, 48)


class Smears(Dataset[tuple[Tensor, Tensor]]):
    """Pictures, some of them mirrored at random, and how many red cells are marked in each."""

    def __init__(self, pictures: list[Path], *, augment: bool) -> None:
        self.pixels = [read_picture(path) for path in pictures]
        self.counts = [red_cells(path) for path in pictures]
        self.augment = augment

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, place: int) -> tuple[Tensor, Tensor]:
        pixels = self.pixels[place]
        if self.augment and random.random() < 0.5:
            pixels = pixels.flip(2)
        return pixels, torch.tensor([self.counts[place] / 10])


def read_picture(path: Path) -> Tensor:
    """(3, 48, 64) float32, around zero."""
    with Image.open(path) as image:
        small = np.asarray(image.convert("RGB").resize(SIZE), dtype=np.float32)
    return torch.from_numpy(small.transpose(2, 0, 1).copy()) / 32 - 5


def red_cells(picture: Path) -> int:
    """How many boxes say RBC in the annotation of a picture."""
    marked = next(picture.parent.parent.rglob(f"Annotations/{picture.stem}.xml"))
    text = marked.read_text()
    if re.search(r"<!(DOCTYPE|ENTITY)", text):
        raise SystemExit(f"{marked.name} is no plain annotation")
    return sum(name.text == "RBC" for name in ET.fromstring(text).iter("name"))


def network() -> nn.Module:
    """Convolutions that mark cells on a coarse map, whose sum is the count."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 1, 1), nn.AvgPool2d((6, 8)), nn.Flatten(),
    )  # fmt: skip


def train_epoch(
    model: nn.Module, optimizer: torch.optim.Optimizer, smears: DataLoader
) -> float:
    """One pass over the pictures; gives the mean loss."""
    total = 0.0
    for pixels, counts in smears:
        optimizer.zero_grad()
        loss = nn.functional.smooth_l1_loss(model(pixels), counts)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(pixels)
    return total / len(smears.dataset)


def save(state: Path, epoch: int, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """The state after an epoch, whole or not at all."""
    whole = {
        "epoch": epoch, "model": model.state_dict(), "optimizer": optimizer.state_dict(),
    }  # fmt: skip
    torch.save(whole, state.with_suffix(".new"))
    os.replace(state.with_suffix(".new"), state)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with JPEGImages")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--workers", type=int, default=0, help="processes that load pictures")
    options = parser.parse_args()

    pictures = sorted(options.data.rglob("*.jpg"))
    held_out = pictures[::4]
    training = Smears([path for path in pictures if path not in held_out], augment=True)
    torch.manual_seed(SEED)
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    state, first = Path("state.pt"), 0
    if state.exists():
        kept = torch.load(state, weights_only=True)
        model.load_state_dict(kept["model"])
        optimizer.load_state_dict(kept["optimizer"])
        first = kept["epoch"] + 1
        print(f"going on after epoch {kept['epoch']}")

    for epoch in range(first, options.epochs):
        random.seed(SEED + epoch)
        order = torch.Generator().manual_seed(SEED + epoch)
        smears = DataLoader(
            training, batch_size=16, shuffle=True, generator=order, num_workers=options.workers
        )
        loss = train_epoch(model, optimizer, smears)
        save(state, epoch, model, optimizer)
        print(f"epoch {epoch}: loss {loss:.4f}", flush=True)

    test = Smears(held_out, augment=False)
    with torch.no_grad():
        counted = model(torch.stack(test.pixels)).flatten() * 10
    truth = torch.tensor(test.counts, dtype=torch.float32)
    mean = float(np.mean(training.counts))
    metrics = {
        "pictures": len(pictures),
        "held_out": len(held_out),
        "mae": float((counted - truth).abs().mean()),
        "mae_of_the_mean": float((truth - mean).abs().mean()),
    }
    save_file(model.state_dict(), "model.safetensors")
    Path("metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    guess = metrics["mae_of_the_mean"]
    print(f"off by {metrics['mae']:.2f} cells (guessing the mean: {guess:.2f})")


if __name__ == "__main__":
    main()
