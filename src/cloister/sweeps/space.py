"""The space that a sweep searches, as the file's ``parameters`` say it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cloister.sweeps import parameters
from cloister.sweeps.parameters import Choice, Number, Parameter, Stepped, Whole
from cloister.sweeps.reading import Section, wrong

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_BOUNDED = {
    "uniform": parameters.uniform,
    "log_uniform": parameters.log_uniform,
    "inv_log_uniform": parameters.inverse_log_uniform,
}
_BELL = {"normal": parameters.normal, "log_normal": parameters.log_normal}
_KEYS: Mapping[str, tuple[str, ...]] = {
    "constant": ("value",),
    "categorical": ("values", "probabilities"),
    "categorical_w_probabilities": ("values", "probabilities"),
    "int_uniform": ("min", "max"),
    "uniform": ("min", "max"),
    "log_uniform": ("min", "max"),
    "log_uniform_values": ("min", "max"),
    "inv_log_uniform": ("min", "max"),
    "inv_log_uniform_values": ("min", "max"),
    "normal": ("mu", "sigma"),
    "log_normal": ("mu", "sigma"),
    "beta": ("a", "b"),
    "q_uniform": ("min", "max", "q"),
    "q_log_uniform": ("min", "max", "q"),
    "q_log_uniform_values": ("min", "max", "q"),
    "q_normal": ("mu", "sigma", "q"),
    "q_log_normal": ("mu", "sigma", "q"),
    "q_beta": ("a", "b", "q"),
}


@dataclass(frozen=True, slots=True)
class Leaf:
    """One parameter and where it stands: nested ones have a path of several names."""

    path: tuple[str, ...]
    parameter: Parameter

    @property
    def name(self) -> str:
        """Its path, dotted."""
        return ".".join(self.path)

    @property
    def constant(self) -> bool:
        """Whether there is nothing to search."""
        return self.parameter.listed is not None and len(self.parameter.listed) == 1


@dataclass(frozen=True, slots=True)
class Space:
    """All parameters, in the order of the file."""

    leaves: tuple[Leaf, ...]

    @property
    def searched(self) -> tuple[Leaf, ...]:
        """Those that are not constant."""
        return tuple(leaf for leaf in self.leaves if not leaf.constant)

    def values(self, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """What a script is given: ``chosen`` by dotted name, and all constants, nested."""
        found: dict[str, Any] = {}
        for leaf in self.leaves:
            at = found
            for name in leaf.path[:-1]:
                at = at.setdefault(name, {})
            at[leaf.path[-1]] = (
                chosen[leaf.name] if leaf.name in chosen else leaf.parameter.at(0)
            )
        return found

    def flat(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values of a script by dotted name."""
        found: dict[str, Any] = {}
        for leaf in self.leaves:
            at: Any = values
            for name in leaf.path:
                at = at[name]
            found[leaf.name] = at
        return found


def read_space(section: Section) -> Space:
    """The parameters of a file; raises BadInput."""
    leaves = tuple(_leaves(section, ()))
    names = [leaf.name for leaf in leaves]
    if not leaves:
        wrong(section.place, "there are no parameters")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        wrong(section.at(twice[0]), "there are two parameters of this name")
    return Space(leaves)


def _leaves(section: Section, above: tuple[str, ...]) -> Iterator[Leaf]:
    for name, value in section.values.items():
        if not _NAME.fullmatch(name):
            wrong(section.at(name), "a parameter's name is made of letters, digits and _ . -")
        one = Section.of(section.at(name), value)
        path = (*above, name)
        if "parameters" in one.values:
            one.only(("parameters",))
            yield from _leaves(Section.of(one.at("parameters"), one.values["parameters"]), path)
        else:
            yield Leaf(path, _parameter(one))


def _parameter(one: Section) -> Parameter:
    named = "distribution" in one.values
    kind = one.one_of("distribution", _KEYS) if named else _implied(one)
    one.only((*_KEYS[kind], "distribution"))
    if kind == "constant":
        if "value" not in one.values:
            wrong(one.at("value"), "a constant has a value")
        return Choice((_plain(one.at("value"), one.values["value"]),))
    if kind.startswith("categorical"):
        return _choice(one, kind)
    if kind == "int_uniform":
        return _whole(one)
    plain = kind.removeprefix("q_")
    number, bounds = _number(one, plain)
    return number if plain == kind else _stepped(one, number, bounds, even=kind == "q_uniform")


def _implied(one: Section) -> str:
    """The distribution of a parameter that names none, as W&B has it."""
    values = one.values
    if "values" in values:
        return "categorical"
    if "value" in values:
        return "constant"
    if "min" in values and "max" in values:
        whole = all(type(values[end]) is int for end in ("min", "max"))
        return "int_uniform" if whole else "uniform"
    one.only({key for keys in _KEYS.values() for key in keys} | {"distribution", "parameters"})
    return wrong(
        one.place, "expected value, values, min and max, a distribution, or parameters"
    )


def _choice(one: Section, kind: str) -> Choice:
    values = one.values.get("values")
    if not isinstance(values, list) or not values:
        wrong(one.at("values"), "expected a list of values")
    for value in values:
        _plain(one.at("values"), value)
    weights = one.values.get("probabilities")
    if weights is None:
        if kind != "categorical":
            wrong(one.at("probabilities"), "expected as many probabilities as values")
        return Choice(tuple(values))
    if not isinstance(weights, list) or len(weights) != len(values):
        wrong(one.at("probabilities"), "expected as many probabilities as values")
    named = Section(
        one.at("probabilities"), {str(i): weight for i, weight in enumerate(weights)}
    )
    found = tuple(named.number(name) for name in named.values)
    if min(found) < 0 or not math.isclose(sum(found), 1, abs_tol=1e-6):
        wrong(named.place, "probabilities are not negative, and add up to 1")
    return Choice(tuple(values), found)


def _plain(place: str, value: Any) -> Any:
    """The value, if it can be handed on as JSON; YAML knows dates besides."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        wrong(place, f"cannot be handed to a script: {value!r}; put it in quotes")
    return value


def _whole(one: Section) -> Whole:
    low, high = _ends(one)
    if not (float(low).is_integer() and float(high).is_integer()):
        wrong(one.place, "min and max of int_uniform are whole numbers")
    return Whole(int(low), int(high))


def _ends(one: Section) -> tuple[float, float]:
    low, high = one.number("min"), one.number("max")
    if low > high:
        wrong(one.place, f"min is above max: {low} and {high}")
    return low, high


def _number(one: Section, kind: str) -> tuple[Number, tuple[float, float] | None]:
    """The distribution without its steps, and the bounds of its values."""
    if kind == "beta":
        return parameters.beta_of(_positive(one, "a"), _positive(one, "b")), None
    if kind in _BELL:
        sigma = one.number("sigma", 1.0)
        if sigma < 0:
            wrong(one.at("sigma"), "expected a number from 0 up")
        return _BELL[kind](one.number("mu", 0.0), sigma), None
    low, high = _ends(one)
    if kind == "uniform":
        return parameters.uniform(low, high), (low, high)
    if kind.endswith("_values"):
        if low <= 0:
            wrong(one.at("min"), "expected a number above 0, for logarithms")
        ends = math.log(low), math.log(high)
        if kind.startswith("inv_"):
            ends = -ends[1], -ends[0]
        return _BOUNDED[kind.removesuffix("_values")](*ends), (low, high)
    try:
        return _BOUNDED[kind](low, high), tuple(sorted(_exponentials(kind, low, high)))  # type: ignore[return-value]
    except OverflowError:
        wrong(one.place, f"min and max of {kind} are exponents: did you mean {kind}_values?")


def _exponentials(kind: str, low: float, high: float) -> tuple[float, float]:
    sign = -1 if kind.startswith("inv_") else 1
    return math.exp(sign * low), math.exp(sign * high)


def _positive(one: Section, name: str) -> float:
    value = one.number(name, 1.0)
    if value <= 0:
        wrong(one.at(name), "expected a number above 0")
    return value


def _stepped(
    one: Section, number: Number, bounds: tuple[float, float] | None, *, even: bool
) -> Stepped:
    step = one.number("q", 1)
    if step <= 0:
        wrong(one.at("q"), "expected a number above 0")
    found = Stepped(number, step, bounds, even)
    if bounds is not None and math.ceil(bounds[0] / step) > math.floor(bounds[1] / step):
        wrong(one.place, f"no multiple of {step} lies between min and max")
    return found
