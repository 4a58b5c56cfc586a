"""Why a replay differs: each thing that is not as recorded, put back alone, and run again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from cloister.core.errors import BadInput, NotFound, NotVerified
from cloister.core.ids import RunId
from cloister.runs.conditions import (
    LOCKED,
    NONDETERMINISM,
    RECORDED,
    UNKNOWN,
    Choices,
    Factor,
)
from cloister.runs.links import Verdict
from cloister.workflows.lab import Act
from cloister.workflows.leases import Seat, Wish, take_seat
from cloister.workflows.runs._comparing import Comparison, compare_outputs
from cloister.workflows.runs._job import RunReport, execute
from cloister.workflows.runs._lent import leased
from cloister.workflows.runs._recorded import Left, leavings, outputs_of
from cloister.workflows.runs._replaying import Replays, Setup

_ORDER = (Verdict.IDENTICAL, Verdict.EQUIVALENT, Verdict.DIFFERENT)


@dataclass(frozen=True, slots=True)
class Tried:
    """One replay that was run."""

    choices: Choices
    setup: Setup
    report: RunReport
    left: Mapping[str, Left] = field(repr=False)
    comparison: Comparison

    @property
    def verdict(self) -> Verdict:
        """Of the replay against the run."""
        return self.comparison.verdict

    def same_bytes(self, other: Tried) -> bool:
        """Whether two replays left the same."""
        mine = {path: one.sha256 for path, one in self.left.items()}
        return mine == {path: one.sha256 for path, one in other.left.items()}


@dataclass(frozen=True, slots=True)
class Cause:
    """What sets a replay apart, as far as it was found by testing."""

    name: str
    """A factor, several joined by ``+``, ``nondeterminism`` or ``unknown``."""
    test: RunId | None
    """The replay that showed it."""
    untested: tuple[tuple[Factor, str], ...]
    """What else differs and could not be put back, and why not."""

    @property
    def factors(self) -> tuple[Factor, ...]:
        """Those it names."""
        named = self.name.split("+")
        return tuple(factor for factor in Factor if factor.value in named)


@dataclass(slots=True)
class Trials:
    """Runs replays, up to a bound."""

    act: Act
    replays: Replays
    tolerance: float
    most: int
    wish: Wish
    """What each replay wants of the machine."""
    said: Callable[[str], None]
    run: list[RunId] = field(default_factory=list)
    seat: Seat | None = None
    """The first replay is the job that this seat is of, and has what that was lent."""

    def attempt(self, choices: Choices, why: str) -> Tried:
        """One replay, on record, compared with the run."""
        setup = self.replays.setup(choices)
        self.said(why)
        report = self._run(setup)
        self.run.append(report.run)
        left = self.replays.compared(outputs_of(leavings(self.act.lab, report.run)))
        was, required = self.replays.was, self.replays.required
        found = compare_outputs(self.act, was.left, left, self.tolerance, required)
        if report.fence.exit_status != was.run.exit_status:
            found = Comparison(Verdict.DIFFERENT, found.pairs)
        return Tried(choices, setup, report, left, found)

    def _run(self, setup: Setup) -> RunReport:
        if self.seat is not None and not self.run:
            return _seated(self.seat, setup)
        with take_seat(self.act.lab, self.wish, self.said) as seat:
            return _seated(seat, setup)

    @property
    def spent(self) -> bool:
        """Whether the bound is reached."""
        return len(self.run) >= self.most


def _seated(seat: Seat, setup: Setup) -> RunReport:
    lent = leased(setup.plan, seat.lease)
    return execute(seat.act, lent, seat.heard(_nowhere), seat.run)


def _nowhere(_stream: int, _chunk: bytes) -> None:
    """Its log is sealed with its outputs."""


def find_cause(trials: Trials, first: Tried) -> Cause:
    """The first thing that, put back alone, brings the replay closer to the run.

    Nothing alone: all of it together. Nothing at all: the same replay once more, for what
    differs from itself differs from everything.
    """
    untested: list[tuple[Factor, str]] = []
    testable: list[Factor] = []
    for factor in differing(trials.replays, first):
        if trials.spent:
            untested.append((factor, "the bound on replays was reached"))
            continue
        tried = _put_back(trials, first, (factor,), untested)
        if tried is None:
            continue
        testable.append(factor)
        if _closer(tried, first):
            return Cause(factor.value, tried.report.run, tuple(untested))
    if len(testable) > 1 and not trials.spent:
        tried = _put_back(trials, first, tuple(testable), untested)
        if tried is not None and _closer(tried, first):
            name = "+".join(factor.value for factor in testable)
            return Cause(name, tried.report.run, tuple(untested))
    if trials.spent:
        return Cause(UNKNOWN, None, tuple(untested))
    again = trials.attempt(first.choices, "the same again: is it the same twice?")
    if not again.same_bytes(first):
        return Cause(NONDETERMINISM, again.report.run, tuple(untested))
    return Cause(UNKNOWN, None, tuple(untested))


def differing(replays: Replays, tried: Tried) -> Iterator[Factor]:
    """What of a replay was not as recorded, most suspect first."""
    was = replays.recorded()
    for factor in Factor:
        if was[factor] != tried.setup.effective[factor]:
            yield factor


def _put_back(
    trials: Trials,
    first: Tried,
    factors: tuple[Factor, ...],
    untested: list[tuple[Factor, str]],
) -> Tried | None:
    """The first replay but for ``factors``; None where this machine cannot put them back."""
    back = {f: LOCKED if f is Factor.LIBRARIES else RECORDED for f in factors}
    choices = {**first.choices, **back}
    try:
        _check_possible(trials.replays, choices, factors)
        return trials.attempt(choices, f"with {' and '.join(factors)} put back")
    except (BadInput, NotFound, NotVerified) as error:
        untested.append((factors[0], error.message))
        return None


def _check_possible(replays: Replays, choices: Choices, factors: tuple[Factor, ...]) -> None:
    if Factor.LIBRARIES in factors and not replays.locked.allowed:
        raise BadInput("give the folder that holds their wheels: --wheels FOLDER")
    effective, was = replays.setup(choices).effective, replays.recorded()
    if any(effective[factor] != was[factor] for factor in factors):
        raise BadInput("this machine cannot be made like the one of the run")


def _closer(tried: Tried, first: Tried) -> bool:
    return _ORDER.index(tried.verdict) < _ORDER.index(first.verdict)
