"""What is tried next: Optuna's samplers, or the cells of a grid in their order.

Every suggestion depends on the seed, the trial's number and what was told before, and on
nothing else: a search that is begun again in another process goes on as it would have.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

from cloister.core.errors import BadInput
from cloister.sweeps.definition import Definition
from cloister.sweeps.parameters import Choice, Parameter, Whole
from cloister.sweeps.space import Space

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial, Trial

_STARTUP = 10
"""Trials drawn at random before what was learnt from them counts."""
_BEST, _LATEST, _FORGETS_EVERY = 25, 125, 50
"""Of so many trials TPE is told; it takes a tenth of them for good, and never more than 25."""


@dataclass(frozen=True, slots=True)
class Told:
    """A trial that was begun, and what is known of it."""

    number: int
    places: Mapping[str, Any]
    """What the search chose, by dotted name, in its own terms."""
    state: str
    """``running``, ``finished``, ``pruned``, ``failed`` or ``interrupted``."""
    value: float | None = None
    logged: int = 0
    """How often it logged the metric."""


class Search(Protocol):
    """Says what to try next."""

    def ask(self, number: int) -> Mapping[str, Any] | None:
        """What the trial of that number tries, in its own terms; None where all was tried."""

    def values(self, places: Mapping[str, Any]) -> Mapping[str, Any]:
        """What that is for the script."""

    def tell(self, told: Told) -> None:
        """A trial that was asked for has ended."""


def searching(definition: Definition, seed: int, before: Iterable[Told]) -> Search:
    """The search, as it stands after ``before``, in the order of their numbers."""
    if definition.method == "grid":
        return _Grid(definition.space, before)
    if definition.method == "random":
        return _Sampled(definition, seed)
    return _Learning(definition, seed, before)


class _Grid:
    """Every cell once; the last parameter of the file changes fastest."""

    def __init__(self, space: Space, before: Iterable[Told]) -> None:
        self._space = space
        self._sizes = {leaf.name: len(leaf.parameter.listed or ()) for leaf in space.searched}
        self._taken = {self._cell(one.places) for one in before if one.state != "interrupted"}
        self._next = 0

    @property
    def cells(self) -> int:
        """How many there are."""
        found = 1
        for size in self._sizes.values():
            found *= size
        return found

    def ask(self, number: int) -> Mapping[str, Any] | None:
        """The first cell that nobody tried."""
        while self._next in self._taken:
            self._next += 1
        if self._next >= self.cells:
            return None
        self._taken.add(self._next)
        return self._places(self._next)

    def values(self, places: Mapping[str, Any]) -> Mapping[str, Any]:
        """Each value by its rank."""
        listed = {leaf.name: leaf.parameter.listed for leaf in self._space.searched}
        chosen = {name: (listed[name] or ())[rank] for name, rank in places.items()}
        return self._space.values(chosen)

    def tell(self, told: Told) -> None:
        """A grid learns nothing."""

    def _places(self, cell: int) -> dict[str, int]:
        found = {}
        for name, size in reversed(self._sizes.items()):
            cell, found[name] = divmod(cell, size)
        return found

    def _cell(self, places: Mapping[str, Any]) -> int:
        cell = 0
        for name, size in self._sizes.items():
            cell = cell * size + int(places[name])
        return cell


class _Sampled:
    """Random search."""

    def __init__(self, definition: Definition, seed: int) -> None:
        self._optuna = optuna()
        self._space, self._seed = definition.space, seed
        self._distributions = {
            leaf.name: distribution(leaf.parameter) for leaf in self._space.searched
        }
        self._study = self._optuna.create_study()

    def ask(self, number: int) -> Mapping[str, Any] | None:
        """Never at an end."""
        return dict(self._ask(number).params)

    def values(self, places: Mapping[str, Any]) -> Mapping[str, Any]:
        """The quantile at each place; of choices and integers the value itself."""
        chosen = {
            leaf.name: _value(leaf.parameter, places[leaf.name])
            for leaf in self._space.searched
        }
        return self._space.values(chosen)

    def tell(self, told: Told) -> None:
        """Chance learns nothing."""

    def _ask(self, number: int) -> Trial:
        digest = hashlib.sha256(f"{self._seed} {number}".encode()).digest()
        self._study.sampler = self._sampler(int.from_bytes(digest[:4]))
        trial: Trial = self._study.ask(self._distributions)
        return trial

    def _sampler(self, seed: int) -> BaseSampler:
        sampler: BaseSampler = self._optuna.samplers.RandomSampler(seed=seed)
        return sampler


class _Learning(_Sampled):
    """TPE (Bergstra et al., NeurIPS 2011) for ``bayes``.

    It is told of the best trials and of the latest, so that the last of a long sweep is asked
    for as quickly as the first. The others, which it weighs the less the older they are, are
    forgotten in the end.
    """

    def __init__(self, definition: Definition, seed: int, before: Iterable[Told]) -> None:
        super().__init__(definition, seed)
        metric = definition.metric
        self._maximize = metric is not None and metric.maximize
        self._known: list[Told] = []
        self._asked: dict[int, Trial] = {}
        self._begin()
        for one in before:
            self.tell(one)

    def ask(self, number: int) -> Mapping[str, Any] | None:
        """Never at an end."""
        trial = self._asked[number] = self._ask(number)
        return dict(trial.params)

    def tell(self, told: Told) -> None:
        """What came of it, for those that are tried later; of a pruned one how far it came."""
        frozen = ended(told, self._distributions)
        if frozen is None:
            self._under_way(told.number, told.places)
            return
        trial = self._asked.pop(told.number, None)
        if trial is None:
            self._study.add_trial(frozen)
        else:
            for step, value in frozen.intermediate_values.items():
                trial.report(value, step)
            value = told.value if frozen.state.name == "COMPLETE" else None
            self._study.tell(trial, value, state=frozen.state)
        self._known.append(told)
        self._since += 1
        if self._since == _FORGETS_EVERY:
            self._forget()

    def _begin(self) -> None:
        """A study of nothing."""
        direction = "maximize" if self._maximize else "minimize"
        self._study = self._optuna.create_study(direction=direction)
        self._since = 0

    def _under_way(self, number: int, places: Mapping[str, Any]) -> None:
        self._study.enqueue_trial(dict(places))
        self._asked[number] = self._study.ask(self._distributions)

    def _forget(self) -> None:
        """Begins again with the best trials, the latest and those under way."""
        known = [one for one in self._known if _has_value(one)]
        known.sort(key=self._rank)
        latest = sorted(known[_BEST:], key=lambda one: one.number)[-_LATEST:]
        self._known = sorted(known[:_BEST] + latest, key=lambda one: one.number)
        self._begin()
        for one in self._known:
            self._study.add_trial(ended(one, self._distributions))
        for number, trial in list(self._asked.items()):
            self._under_way(number, trial.params)

    def _rank(self, told: Told) -> tuple[float, ...]:
        """As TPE ranks them: by value, and those that were pruned by how far they came."""
        assert told.value is not None
        loss = -told.value if self._maximize else told.value
        return (0, loss) if told.state == "finished" else (1, -told.logged, loss)

    def _sampler(self, seed: int) -> BaseSampler:
        with warnings.catch_warnings():  # the liar, who keeps parallel trials apart, is new
            warnings.simplefilter("ignore", self._optuna.exceptions.ExperimentalWarning)
            sampler: BaseSampler = self._optuna.samplers.TPESampler(
                n_startup_trials=_STARTUP, constant_liar=True, seed=seed
            )
            return sampler


def distribution(parameter: Parameter) -> BaseDistribution:
    """What Optuna searches for it: numbers by their quantile, so that each keeps its prior."""
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if isinstance(parameter, Whole):
        return IntDistribution(parameter.low, parameter.high)
    if isinstance(parameter, Choice) and parameter.weights is None:
        return CategoricalDistribution(tuple(range(len(parameter.values))))
    return FloatDistribution(0.0, 1.0)


def ended(told: Told, distributions: Mapping[str, BaseDistribution]) -> FrozenTrial | None:
    """The trial as Optuna has those that ended; None while it runs."""
    from optuna.trial import TrialState, create_trial

    states = {"finished": TrialState.COMPLETE, "pruned": TrialState.PRUNED}
    if told.state == "running":
        return None
    state = states[told.state] if _has_value(told) else TrialState.FAIL
    return create_trial(
        state=state,
        value=told.value if state is TrialState.COMPLETE else None,
        params=dict(told.places),
        distributions=dict(distributions),
        intermediate_values=(
            {told.logged: told.value}
            if state is TrialState.PRUNED and told.value is not None
            else {}
        ),
    )


def _has_value(told: Told) -> bool:
    return told.value is not None and told.state in {"finished", "pruned"}


def _value(parameter: Parameter, place: Any) -> Any:
    if isinstance(parameter, Whole):
        return place
    if isinstance(parameter, Choice) and parameter.weights is None:
        return parameter.values[place]
    return parameter.at(place)


def optuna() -> ModuleType:
    """The library; raises BadInput where it is not installed."""
    try:
        library = import_module("optuna")
    except ModuleNotFoundError as error:
        raise BadInput(
            f"this search needs a library that is not installed: {error.name}",
            hint="pip install 'cloister[sweep]'",
        ) from error
    library.logging.set_verbosity(library.logging.WARNING)
    return library
