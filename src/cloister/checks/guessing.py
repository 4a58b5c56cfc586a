"""A guesser of labels from a few categories, and how well it does by chance."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cloister.checks.groups import Unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.intp]

_SEED = 20_240_101  # any: the same data get the same answer


class Verdict(NamedTuple):
    """How well labels are told."""

    score: float
    """Balanced accuracy on patients that were left out."""
    by_chance: float
    """The best that labels dealt out anew gave, but for one in a hundred."""


def judge(units: Sequence[Unit], folds: int, permutations: int) -> Verdict:
    """Cross-validated by patient, against permuted labels."""
    labels = sorted({unit.label for unit in units})
    target = np.array([labels.index(unit.label) for unit in units])
    codes = _codes(units)
    fold = np.array([_fold(unit.patient, folds) for unit in units])
    score = _score(codes, target, fold, len(labels))
    generator = np.random.default_rng(_SEED)
    chance = [
        _score(codes, generator.permutation(target), fold, len(labels))
        for _ in range(permutations)
    ]
    return Verdict(score, float(np.quantile(chance, 0.99)))


def _codes(units: Sequence[Unit]) -> list[Ints]:
    """Each feature as whole numbers, absent ones as a value of their own."""
    found = []
    for name in sorted({name for unit in units for name in unit.features}):
        _, codes = np.unique(
            [unit.features.get(name, "") for unit in units], return_inverse=True
        )
        if codes.max() > 0:
            found.append(codes.astype(np.intp))
    return found


def _fold(patient: str, folds: int) -> int:
    return int.from_bytes(hashlib.sha256(patient.encode()).digest()[:4]) % folds


def _score(codes: Sequence[Ints], target: Ints, fold: Ints, classes: int) -> float:
    """Balanced accuracy of naive Bayes over all folds; classes count alike."""
    right = np.zeros(len(target), dtype=bool)
    for out in np.unique(fold):
        train, test = fold != out, fold == out
        # Classes alike beforehand: only what the features tell counts.
        belief = np.zeros((int(test.sum()), classes))
        for feature in codes:
            width = int(feature.max()) + 1
            counts = np.bincount(
                target[train] * width + feature[train], minlength=classes * width
            )
            table = counts.reshape(classes, width) + 0.5
            belief += np.log(table / table.sum(axis=1, keepdims=True))[:, feature[test]].T
        best = belief.max(axis=1, keepdims=True)
        ties = (belief >= best - 1e-9).sum(axis=1)
        right[test] = (belief.argmax(axis=1) == target[test]) & (ties < classes)
    hits = np.bincount(target[right], minlength=classes)
    sizes = np.bincount(target, minlength=classes)
    return float(np.mean(hits[sizes > 0] / sizes[sizes > 0]))
