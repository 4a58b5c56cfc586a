"""Parameters: what a script may be given, and how often, as W&B's distributions say it.

Numbers are described by their quantiles: a place between 0 and 1 of the distribution's mass
gives the value there. So one sampler draws from all of them, and each keeps its prior.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate
from statistics import NormalDist
from typing import Any, Protocol

from cloister.sweeps import beta

_EDGE = 1e-9
"""How near 0 and 1 a place may be where a distribution has no end."""


class Parameter(Protocol):
    """One parameter."""

    @property
    def listed(self) -> Sequence[Any] | None:
        """All its values, in order; None where they cannot be listed."""

    def at(self, place: float) -> Any:
        """The value that has ``place`` of the distribution's mass below it."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some values; a constant is a choice of one."""

    values: tuple[Any, ...]
    weights: tuple[float, ...] | None = None
    """How often each, together 1; None: equally often."""

    @property
    def listed(self) -> Sequence[Any]:
        """In the order of the file."""
        return self.values

    def at(self, place: float) -> Any:
        """The values lie beside one another, each as wide as it is probable."""
        last = len(self.values) - 1
        if self.weights is None:
            return self.values[min(int(place * len(self.values)), last)]
        return self.values[min(bisect_right([*accumulate(self.weights)], place), last)]


@dataclass(frozen=True, slots=True)
class Whole:
    """An integer, both ends included."""

    low: int
    high: int

    @property
    def listed(self) -> Sequence[int]:
        """From the lowest up."""
        return range(self.low, self.high + 1)

    def at(self, place: float) -> int:
        """All equally often."""
        return min(self.low + int(place * (self.high - self.low + 1)), self.high)


@dataclass(frozen=True, slots=True)
class Number:
    """A number of some distribution."""

    quantile: Callable[[float], float]

    @property
    def listed(self) -> None:
        """There is no end of them."""

    def at(self, place: float) -> float:
        """The quantile."""
        return self.quantile(min(max(place, _EDGE), 1 - _EDGE))


@dataclass(frozen=True, slots=True)
class Stepped:
    """The nearest multiple of ``step`` to a number, within bounds where it has them."""

    number: Number
    step: int | float
    bounds: tuple[float, float] | None = None
    even: bool = False
    """All multiples are equally probable but for the ends, so that a grid may list them."""

    @property
    def listed(self) -> Sequence[int | float] | None:
        """The multiples within the bounds, where the distribution is flat."""
        if not self.even or self.bounds is None:
            return None
        first, last = self._ends(*self.bounds)
        return [self._times(count) for count in range(first, last + 1)]

    def at(self, place: float) -> int | float:
        """An integer where the step is one."""
        count = round(self.number.at(place) / self.step)
        if self.bounds is not None:
            first, last = self._ends(*self.bounds)
            count = min(max(count, first), last)
        return self._times(count)

    def _ends(self, low: float, high: float) -> tuple[int, int]:
        slack = 1e-9
        return math.ceil(low / self.step - slack), math.floor(high / self.step + slack)

    def _times(self, count: int) -> int | float:
        if isinstance(self.step, int):
            return count * self.step
        return float(Decimal(str(self.step)) * count)  # 3 * 0.1 is 0.3


def uniform(low: float, high: float) -> Number:
    """All numbers between the two, equally often."""
    return Number(lambda place: low + place * (high - low))


def log_uniform(low: float, high: float) -> Number:
    """Numbers whose logarithm is uniform between ``low`` and ``high``."""
    return Number(lambda place: math.exp(low + place * (high - low)))


def inverse_log_uniform(low: float, high: float) -> Number:
    """Numbers X whose log(1/X) is uniform between ``low`` and ``high``."""
    return Number(lambda place: math.exp(-(high - place * (high - low))))


def normal(mu: float, sigma: float) -> Number:
    """The normal distribution."""
    return Number(lambda place: mu + sigma * NormalDist().inv_cdf(place))


def log_normal(mu: float, sigma: float) -> Number:
    """Numbers whose logarithm is normal."""
    return Number(lambda place: math.exp(mu + sigma * NormalDist().inv_cdf(place)))


def beta_of(a: float, b: float) -> Number:
    """The beta distribution."""
    return Number(lambda place: beta.quantile(place, a, b))
