"""Tables of series, the windows that are foretold, and what forecasts of them are worth.

A table is a dict: ``items`` (names), ``values`` (items, steps), ``start`` and ``freq`` of the
first step, ``season`` and ``horizon`` in steps. A forecast is an array of paths, (items,
windows, paths, horizon); all scores come from it.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

LEVELS = np.arange(1, 10) / 10
RESAMPLES = 2000

Table = dict[str, Any]


def read(folder: Path, name: str) -> tuple[list[str], np.ndarray, str]:
    """Items, their values (items, steps) and the first step's time."""
    series: dict[str, list[float]] = {}
    first = ""
    with next(folder.rglob(f"{name}.csv")).open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            first = first or row["time"]
            series.setdefault(row["item"], []).append(float(row["value"]))
    items = sorted(series)
    assert len({len(one) for one in series.values()}) == 1, (
        "an item has fewer steps than another"
    )
    return items, np.array([series[one] for one in items], dtype="float32"), first


def ends(table: Table, windows: int) -> list[int]:
    """How many steps are known when each window begins: the last ones, end to end."""
    steps = table["values"].shape[1]
    return [steps - table["horizon"] * left for left in range(windows, 0, -1)]


def truth(table: Table, windows: int, rows: list[int]) -> np.ndarray:
    """What came: (items, windows, horizon)."""
    horizon = table["horizon"]
    return np.stack(
        [table["values"][rows, end : end + horizon] for end in ends(table, windows)], axis=1
    )


def losses(paths: np.ndarray, came: np.ndarray) -> np.ndarray:
    """Twice the quantile loss, mean of nine levels: (items, windows, steps).

    Its sum over the sum of what came is the weighted quantile loss, which stands for the CRPS.
    """
    at = np.quantile(paths, LEVELS, axis=2)
    level = LEVELS[:, None, None, None]
    return 2 * np.maximum(level * (came - at), (level - 1) * (came - at)).mean(0)


def crps(paths: np.ndarray, came: np.ndarray) -> float:
    """The weighted quantile loss over all items and windows: less is better."""
    return float(losses(paths, came).sum() / np.abs(came).sum())


def coverage(paths: np.ndarray, came: np.ndarray) -> float:
    """How much of what came lies from the 0.1 to the 0.9 quantile: 0.8 is right."""
    low, high = np.quantile(paths, [0.1, 0.9], axis=2)
    return float(((came >= low) & (came <= high)).mean())


def ratio(paths: np.ndarray, other: np.ndarray, came: np.ndarray) -> tuple[float, float, float]:
    """The loss over another forecast's, and its 95 % interval: items drawn with return."""
    own, theirs = losses(paths, came).sum((1, 2)), losses(other, came).sum((1, 2))
    drawn = np.random.default_rng(7).integers(0, len(own), (RESAMPLES, len(own)))
    low, high = np.quantile(own[drawn].sum(1) / theirs[drawn].sum(1), [0.025, 0.975])
    return float(own.sum() / theirs.sum()), float(low), float(high)


def sums(paths: np.ndarray, parts: int) -> np.ndarray:
    """Each path's totals over ``parts`` equal sub-ranges of the horizon."""
    *before, horizon = paths.shape
    return paths.reshape(*before, parts, horizon // parts).sum(-1)


def apart(paths: np.ndarray) -> np.ndarray:
    """The same quantiles at each step, but which path went where is lost."""
    return np.random.default_rng(7).permuted(paths, axis=2)


def profile(values: np.ndarray) -> np.ndarray:
    """Each item's mean course over the windows, about 0: (items, horizon)."""
    mean = values.mean(1)
    return mean - mean.mean(1, keepdims=True)
