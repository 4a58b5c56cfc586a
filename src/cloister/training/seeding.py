"""Randomness of each sample's own: from seed, epoch and place, whatever number of workers.

Loaders that draw in worker processes give other bytes for other numbers of workers, for each
worker draws from a generator of its own. Here what is drawn for a sample depends on nothing
but the sample. Nothing global is read or set: Python's, NumPy's and PyTorch's own generators
stay as they are.
"""

from __future__ import annotations

import hashlib
import random  # noqa: TID251 - seeded generators are what this module gives
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import torch

_DOMAIN = b"cloister/seeding/v1\x00"


class Sample(NamedTuple):
    """Which sample in which epoch: what a dataset is asked for by ``Order``.

    >>> Sample(seed=7, epoch=0, place=3).python().random()
    0.8752904909749288
    """

    seed: int
    epoch: int
    place: int

    def python(self, stream: int = 0) -> random.Random:
        """A generator of the standard library's; ``stream`` tells several of a sample apart."""
        return random.Random(self._entropy(stream))  # noqa: S311 - not for keys

    def numpy(self, stream: int = 0) -> np.random.Generator:
        """A generator of NumPy's (PCG64)."""
        import numpy as np

        return np.random.Generator(np.random.PCG64(self._entropy(stream)))

    def torch(self, stream: int = 0) -> torch.Generator:
        """A generator of PyTorch's, on the processor."""
        import torch

        return torch.Generator().manual_seed(self._entropy(stream) & (2**63 - 1))

    def _entropy(self, stream: int) -> int:
        words = b"".join(
            number.to_bytes(16, "little", signed=True) for number in (*self, stream)
        )
        return int.from_bytes(hashlib.sha256(_DOMAIN + words).digest()[:16], "little")


class Order:
    """A sampler: every sample of an epoch once, in an order of that epoch's own.

    For ``torch.utils.data.DataLoader(..., sampler=Order(seed, len(dataset)))``; the dataset is
    then asked for a ``Sample``. Set ``epoch`` before each pass.
    """

    def __init__(self, seed: int, count: int, *, shuffle: bool = True) -> None:
        self.seed = seed
        self.count = count
        self.shuffle = shuffle
        self.epoch = 0

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Sample]:
        places = list(range(self.count))
        if self.shuffle:
            Sample(self.seed, self.epoch, -1).python().shuffle(places)
        for place in places:
            yield Sample(self.seed, self.epoch, place)
