"""A sweep file, taken apart: W&B's keys, and no others.

https://docs.wandb.ai/models/sweeps/sweep-config-keys
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cloister.core.errors import BadInput
from cloister.sweeps.command import PROGRAM, check_words
from cloister.sweeps.reading import Section, wrong
from cloister.sweeps.space import Space, read_space
from cloister.sweeps.stopping import Hyperband

_TEXTS = ("description", "entity", "name", "program", "project")
_KNOWN = (*_TEXTS, "command", "early_terminate", "method", "metric", "parameters", "run_cap")
_UNUSED = ("apiVersion", "controller", "kind")
"""They say which program of W&B's reads the file."""
_IMPUTED = ("impute", "impute_while_running")
"""What W&B's search believes of trials without a value; here they teach it nothing."""
_ELSEWHERE = ("image_uri", "job", "metrics", "queue", "resource", "resource_args", "scheduler")
_DEFAULT_COMMAND = ("${env}", "${interpreter}", PROGRAM, "${args}")


@dataclass(frozen=True, slots=True)
class Metric:
    """What is to be made small, or large."""

    name: str
    maximize: bool = False
    target: float | None = None
    """Once a trial reaches it, no more are begun."""

    @property
    def goal(self) -> str:
        """As the file says it."""
        return "maximize" if self.maximize else "minimize"

    def better(self, one: float, other: float) -> bool:
        """Whether ``one`` is."""
        return one > other if self.maximize else one < other

    def reached(self, value: float) -> bool:
        """Whether that is good enough."""
        if self.target is None:
            return False
        return value >= self.target if self.maximize else value <= self.target


@dataclass(frozen=True, slots=True)
class Definition:
    """What to search, how, and by which command."""

    method: str
    space: Space
    command: tuple[str, ...]
    program: str | None = None
    metric: Metric | None = None
    stopping: Hyperband | None = None
    cap: int | None = None
    """How many runs at most."""
    name: str | None = None
    description: str | None = None
    project: str | None = None
    entity: str | None = None
    unused: tuple[str, ...] = ()
    """Keys of W&B's that change nothing here."""


def parse(text: str) -> Definition:
    """The sweep that a YAML file says.

    Raises BadInput, naming the place, for a key that W&B's sweeps do not have, for a value
    that is not what it has to be, and for what is searched by their service alone.
    """
    section = Section.of("", _yaml(text))
    for name in _ELSEWHERE:
        if name in section.values:
            wrong(name, "is for W&B's own service; take it out")
    section.only((*_KNOWN, *_UNUSED))
    texts = {name: section.text(name) for name in _TEXTS}
    metric = _metric(section)
    method = section.one_of("method", ("bayes", "grid", "random"))
    if method == "bayes" and metric is None:
        wrong("metric", "bayes searches for the best of a metric: name it")
    found = Definition(
        method=method,
        space=read_space(Section.of("parameters", section.values.get("parameters"))),
        command=_command(section),
        metric=metric,
        stopping=_stopping(section, metric),
        cap=section.count("run_cap"),
        unused=_unused(section),
        **texts,
    )
    _check(found)
    return found


def _yaml(text: str) -> Any:
    try:
        import yaml
    except ModuleNotFoundError as error:
        raise BadInput(
            "sweeps need a library that is not installed: pyyaml",
            hint="pip install 'cloister[sweep]'",
        ) from error
    try:
        _check_keys(yaml.compose(text, yaml.SafeLoader))
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark is not None else ""
        why = getattr(error, "problem", None)
        raise BadInput(f"the sweep file is no YAML{where}", hint=why) from error


def _check_keys(node: Any) -> None:
    """Raises BadInput for a key that is given twice: YAML would take the last, in silence."""
    found, seen = [node], set[int]()
    while found:
        one = found.pop()
        if one is None or one.id == "scalar" or id(one) in seen:
            continue
        seen.add(id(one))  # an alias leads to what was there before
        pairs = one.value if one.id == "mapping" else [(None, item) for item in one.value]
        names = set[str]()
        for key, value in pairs:
            found += (key, value)
            if key is not None and key.id == "scalar":
                if key.value in names:
                    wrong(key.value, f"is there twice, again in line {key.start_mark.line + 1}")
                names.add(key.value)


def _metric(section: Section) -> Metric | None:
    if "metric" not in section.values:
        return None
    one = Section.of("metric", section.values["metric"])
    one.only(("goal", "name", "target", *_IMPUTED))
    name = one.text("name")
    if not name:
        wrong("metric.name", "expected the name of a metric that the script logs")
    maximize = one.one_of("goal", ("maximize", "minimize"), "minimize") == "maximize"
    target = one.number("target") if "target" in one.values else None
    return Metric(name, maximize, target)


def _unused(section: Section) -> tuple[str, ...]:
    metric = section.values.get("metric") or {}
    found = [name for name in _UNUSED if name in section.values]
    return (*found, *(f"metric.{name}" for name in _IMPUTED if name in metric))


def _stopping(section: Section, metric: Metric | None) -> Hyperband | None:
    if "early_terminate" not in section.values:
        return None
    one = Section.of("early_terminate", section.values["early_terminate"])
    one.only(("eta", "max_iter", "min_iter", "s", "strict", "type"))
    one.one_of("type", ("hyperband",))
    if metric is None:
        wrong("metric", "early_terminate looks at a metric: name it")
    lowest, highest, times = one.count("min_iter"), one.count("max_iter"), one.count("s")
    eta, strict = one.number("eta", 3), one.values.get("strict", False)
    if not isinstance(strict, bool):
        wrong("early_terminate.strict", "expected true or false")
    if eta <= 1:
        wrong("early_terminate.eta", "expected a number above 1")
    if lowest is None and highest is None:
        wrong("early_terminate", "expected min_iter, or max_iter and s")
    if highest is None:
        times = None  # W&B passes over it too
    elif times is None:
        wrong("early_terminate.s", "expected how many times max_iter is divided by eta")
    else:
        lowest = None  # of both, W&B takes max_iter
    found = Hyperband(eta, strict, lowest, highest, times)
    if not found.bands:
        wrong(
            "early_terminate", "max_iter is too small for this eta: no run would be looked at"
        )
    return found


def _command(section: Section) -> tuple[str, ...]:
    words = section.values.get("command", list(_DEFAULT_COMMAND))
    if not isinstance(words, list) or not words:
        wrong("command", "expected a list of words")
    found = tuple(map(str, words))
    check_words(found)
    if "program" not in section.values and PROGRAM in found:
        wrong("program", f"expected the script to run; or a command without {PROGRAM}")
    return found


def _check(found: Definition) -> None:
    if found.method != "grid":
        return
    for leaf in found.space.leaves:
        if leaf.parameter.listed is None:
            wrong(
                f"parameters.{leaf.name}",
                "a grid cannot list all values of its distribution: give values, or search"
                " with random or bayes",
            )
