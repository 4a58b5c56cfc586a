"""Reproduce: a run once more, everything as recorded, and a verdict on what it leaves."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cloister.core.canonical import canonical
from cloister.core.encoding import to_text
from cloister.core.errors import BadInput
from cloister.core.ids import RunId
from cloister.core.values import FenceLevel
from cloister.core.words import count
from cloister.keys.seal import seal_field
from cloister.keys.values import GrantRequest
from cloister.policy import Action
from cloister.runs import links, restoring, settings
from cloister.runs.conditions import RECORDED, Choices, Factor
from cloister.runs.links import Verdict
from cloister.runs.locked import LockedEnvironments
from cloister.workflows.data.curate import diff
from cloister.workflows.lab import Act, Lab
from cloister.workflows.leases import Wish
from cloister.workflows.runs._causes import Cause, Trials, Tried, differing, find_cause
from cloister.workflows.runs._comparing import Pair
from cloister.workflows.runs._recorded import RecordedRun, recorded
from cloister.workflows.runs._replaying import (
    Replays,
    described,
    other_libraries,
    this_host,
)

_MOST_NAMED = 8


@dataclass(frozen=True, slots=True)
class ReproduceRequest:
    """Which run, and what is not to be as recorded."""

    run: str
    environment: Mapping[str, str] = field(repr=False)
    """What the caller's shell has."""
    locked: LockedEnvironments
    choices: Choices = field(default_factory=dict)
    tolerance: float = 1e-6
    """Declared before the replay, and part of the verdict on record."""
    explain: bool = True
    most: int = 10
    """Replays at most, those that test causes included."""
    reads: tuple[Path, ...] = ()
    required: FenceLevel = FenceLevel.FULL


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that was not as recorded."""

    factor: Factor
    recorded: str = field(repr=False)
    replayed: str = field(repr=False)
    detail: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Reproduction:
    """What came of it."""

    run: RunId
    verdict: Verdict
    replay: RunId | None
    exit_status: int | None
    cause: Cause | None
    differences: tuple[Difference, ...]
    machine: tuple[tuple[str, str, str], ...]
    """(what, recorded, here) of what cannot be put back at all: processor, kernel."""
    pairs: tuple[Pair, ...] = field(repr=False)
    tolerance: float
    replays: int
    erased: int
    seconds: float


def of_run(act: Act, request: ReproduceRequest) -> Replays:
    """Makes replays of a run that was started by a command."""
    was, host = recorded(act, request.run), this_host(request.environment)
    return Replays(act.lab, was, host, request.locked, request.required, request.reads)


def reproduce(
    lab: Lab,
    request: ReproduceRequest,
    said: Callable[[str], None],
    again: Callable[[Act, ReproduceRequest], Replays] = of_run,
) -> Reproduction:
    """Replays the run and compares every output; the verdict is on record when this returns.

    Each replay is a run of its own in the fence, and begins when its turn has come. A verdict
    short of IDENTICAL names the first cause that a further replay confirmed. When records that
    the run was given were erased since, nothing is replayed. Raises NotFound, BadInput,
    FenceUnavailable.
    """
    if not (0 <= request.tolerance < math.inf):
        raise BadInput("a tolerance is a number from 0 up")
    act = lab.act(Action.RUN)
    began_s = time.monotonic()
    replays = again(act, request)
    was = replays.was
    if was.erased and request.choices.get(Factor.DATA, RECORDED) == RECORDED:
        found = lost(was, request)
    else:
        trials = Trials(act, replays, request.tolerance, request.most, wish_of(was), said)
        _, found = replayed(trials, request, began_s)
    record(act, found)
    return found


def wish_of(was: RecordedRun) -> Wish:
    """What a replay wants of the machine: what the run did."""
    words = ("--reproduce", str(was.run.run))
    return Wish(words, memory_bytes=was.start.memory_bytes, gpus=was.start.gpus)


def lost(was: RecordedRun, request: ReproduceRequest) -> Reproduction:
    """What is to be said of a run whose data were erased."""
    return Reproduction(
        run=was.run.run,
        verdict=Verdict.UNREPRODUCIBLE,
        replay=None,
        exit_status=None,
        cause=None,
        differences=(),
        machine=(),
        pairs=(),
        tolerance=request.tolerance,
        replays=0,
        erased=was.erased,
        seconds=0.0,
    )


def replayed(
    trials: Trials, request: ReproduceRequest, began_s: float
) -> tuple[Tried, Reproduction]:
    """The first replay, and all that came of it."""
    first = trials.attempt(request.choices, "replay")
    cause = None
    if request.explain and first.verdict is not Verdict.IDENTICAL:
        cause = find_cause(trials, first)
    was = trials.replays.was
    return first, Reproduction(
        run=was.run.run,
        verdict=first.verdict,
        replay=first.report.run,
        exit_status=first.report.fence.exit_status,
        cause=cause,
        differences=tuple(_differences(trials.replays, first)),
        machine=tuple(_machine(was)),
        pairs=first.comparison.pairs,
        tolerance=request.tolerance,
        replays=len(trials.run),
        erased=was.erased,
        seconds=time.monotonic() - began_s,
    )


def _differences(replays: Replays, first: Tried) -> Iterator[Difference]:
    before, after = replays.recorded(), first.setup.effective
    for factor in differing(replays, first):
        detail: tuple[str, ...] = ()
        if factor is Factor.CODE:
            detail = tuple(_code_lines(replays.was, first))
        elif factor is Factor.LIBRARIES:
            found = described(first.setup.plan.environment)
            others = other_libraries(replays.was.described, found)
            detail = tuple(f"{name} {old} -> {new}" for name, old, new in others)
        elif factor is Factor.DATA:
            detail = tuple(_data_lines(replays, first))
        yield Difference(factor, before[factor], after[factor], detail[:_MOST_NAMED])


def _code_lines(was: RecordedRun, first: Tried) -> Iterator[str]:
    now = restoring.unpack(first.setup.plan.code.archive)
    for change in restoring.changes(was.tree, now):
        if change.kind == "changed":
            yield (
                f"{change.path} line {change.line}: {change.before!r} -> {change.after!r}"
                + (f" and {change.lines - 1} more" if change.lines > 1 else "")
            )
        else:
            yield f"{change.path} {change.kind}"


def _data_lines(replays: Replays, first: Tried) -> Iterator[str]:
    given = {one.view.version.dataset: one for one in first.setup.plan.attachment.given}
    for one in replays.was.inputs:
        version = given[one.dataset].view.version
        if version.number == one.number:
            continue
        pair = sorted((one.number, version.number))
        found = diff(replays.lab, *(f"{one.dataset}@{number}" for number in pair))
        yield (
            f"{one.dataset}@{pair[0]} to @{pair[1]}: {count(len(found.added), 'record')} added,"
            f" {len(found.removed)} removed, {len(found.relabelled)} relabelled"
        )
        changed = [*found.added, *found.removed, *found.relabelled]
        yield " ".join(changed[:_MOST_NAMED])


def _machine(was: RecordedRun) -> Iterator[tuple[str, str, str]]:
    here = settings.capture({})
    for name in ("cpu", "isa", "kernel", "machine"):
        before = was.settings.get(name, "")
        if before != here[name]:
            yield name, before, here[name]


def record(act: Act, found: Reproduction) -> None:
    """The verdict, its details sealed under the key of the run it is about."""
    lab = act.lab
    grant = lab.keys.grants([GrantRequest(found.run)])[0].key
    detail = seal_field(
        grant.object_key, links.PURPOSE, canonical(_detail(found)), found.run.encode()
    )
    body: dict[str, Any] = {
        "cause": found.cause.name if found.cause else None,
        "detail": to_text(detail),
        "erased": found.erased,
        "replay": found.replay,
        "replays": found.replays,
        "run": found.run,
        "seal": to_text(grant.seal_id),
        "tolerance": repr(found.tolerance),
        "verdict": found.verdict.value,
        "wrap": to_text(grant.wrap),
    }
    act.record([act.event("run.compared", body)])


def _detail(found: Reproduction) -> dict[str, Any]:
    """Names of outputs, lines of code: what may be readable under the run's key alone."""
    return {
        "differences": [
            {
                "detail": [_text(line) for line in one.detail],
                "factor": one.factor.value,
                "recorded": _text(one.recorded),
                "replayed": _text(one.replayed),
            }
            for one in found.differences
        ],
        "outputs": [
            {
                "largest": repr(one.largest),
                "path": _text(one.path),
                "verdict": one.verdict.value,
                "where": _text(one.where),
            }
            for one in found.pairs
        ],
    }


def _text(value: str) -> str:
    return value.encode("utf-8", "backslashreplace").decode()
