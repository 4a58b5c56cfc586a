"""Per-sample randomness: the same for every number of workers, and nothing global touched."""

from __future__ import annotations

import random
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader, Dataset

import cloister
from cloister.training import seeding
from cloister.training.seeding import Order, Sample


class Drawing(Dataset[torch.Tensor]):
    """Draws from all three kinds of generator for each sample."""

    def __getitem__(self, sample: Sample) -> torch.Tensor:
        drawn = [
            sample.python().random(),
            float(sample.numpy().random()),
            float(torch.rand((), generator=sample.torch())),
        ]
        return torch.tensor([float(sample.place), *drawn], dtype=torch.float64)


def loaded(workers: int, *, persistent: bool = False) -> torch.Tensor:
    order = Order(seed=7, count=24)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of threads and fork
        loader = DataLoader(
            Drawing(),
            batch_size=5,
            sampler=order,
            num_workers=workers,
            persistent_workers=persistent,
        )
        rows = []
        for epoch in range(2):
            order.epoch = epoch
            rows += list(loader)
    return torch.cat(rows)


@pytest.mark.parametrize(("workers", "persistent"), [(1, False), (2, False), (2, True)])
def test_any_number_of_workers_draws_the_same(workers: int, persistent: bool) -> None:
    alone = loaded(0)
    assert torch.equal(alone, loaded(workers, persistent=persistent))
    assert sorted(alone[:24, 0].tolist()) == list(range(24))
    assert alone[:24, 0].tolist() != alone[24:, 0].tolist()


def test_what_is_global_stays_as_it_was() -> None:
    before = random.getstate(), np.random.get_state()[1].tobytes(), torch.get_rng_state()
    for sample in Order(seed=1, count=3):
        Drawing()[sample]
    assert random.getstate() == before[0]
    assert np.random.get_state()[1].tobytes() == before[1]
    assert torch.equal(torch.get_rng_state(), before[2])


number = st.integers(-(2**100), 2**100)


@given(st.tuples(number, number, number), st.tuples(number, number, number))
def test_other_samples_draw_other_numbers(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    same = Sample(*a).python().random() == Sample(*b).python().random()
    assert same == (a == b)
    assert Sample(*a).python(1).random() != Sample(*a).python().random()


def test_what_was_drawn_once_is_drawn_for_ever() -> None:
    sample = Sample(7, 0, 3)
    assert sample.python().random() == 0.8752904909749288
    assert float(sample.numpy().random()) == 0.7025253697404084


def test_it_is_loaded_when_asked_for() -> None:
    assert cloister.seeding is seeding  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        cloister.sowing  # type: ignore[attr-defined]  # noqa: B018
