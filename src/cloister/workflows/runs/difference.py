"""Difference: two runs side by side, in all that made them and all that they left."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cloister.core.ids import RunId
from cloister.core.values import FenceLevel
from cloister.policy import Action
from cloister.runs import history, restoring
from cloister.runs.restoring import CodeChange, FileChange
from cloister.workflows.lab import Lab
from cloister.workflows.runs._comparing import Comparison, compare_digests, compare_outputs
from cloister.workflows.runs._recorded import Left, RecordedRun, recorded
from cloister.workflows.runs._replaying import libraries, other_libraries

_LARGEST_METRICS = 256 << 10
_MOST_METRICS = 200


@dataclass(frozen=True, slots=True)
class Differing:
    """One named thing that the two runs do not share."""

    name: str = field(repr=False)
    first: str = field(repr=False)
    second: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class RunDifference:
    """What sets two runs apart; every part is empty where they agree."""

    first: RunId
    second: RunId
    data: tuple[Differing, ...]
    command: tuple[Differing, ...] = field(repr=False)
    code: tuple[CodeChange, ...] = field(repr=False)
    libraries: tuple[Differing, ...]
    settings: tuple[Differing, ...]
    fence: tuple[Differing, ...]
    metrics: tuple[Differing, ...] = field(repr=False)
    """Numbers in JSON outputs that both left, the differing ones."""
    outputs: Comparison


def difference(
    lab: Lab, first: str, second: str, tolerance: float, required: FenceLevel
) -> RunDifference:
    """Two runs that ended, compared; outputs whose bytes differ are read in the fence.

    Raises NotFound, BadInput for a run that did not end, FenceUnavailable.
    """
    act = lab.act(Action.READ)
    one, other = recorded(act, first), recorded(act, second)
    return _between(
        lab, one, other, compare_outputs(act, one.left, other.left, tolerance, required)
    )


def beside(lab: Lab, first: str, second: str) -> tuple[RunDifference, tuple[FileChange, ...]]:
    """Two runs that ended, compared in a moment: outputs by their digests alone, code in full.

    Raises NotFound, NotAllowed, BadInput for a run that did not end.
    """
    act = lab.act(Action.READ)
    one, other = recorded(act, first), recorded(act, second)
    found = _between(lab, one, other, compare_digests(one.left, other.left))
    return found, tuple(restoring.unified(one.tree, other.tree))


def _between(
    lab: Lab, one: RecordedRun, other: RecordedRun, outputs: Comparison
) -> RunDifference:
    return RunDifference(
        first=one.run.run,
        second=other.run.run,
        data=tuple(_mapped(_data(one), _data(other))),
        command=tuple(_mapped(_command(one), _command(other))),
        code=tuple(restoring.changes(one.tree, other.tree)),
        libraries=tuple(_libraries(one, other)),
        settings=tuple(_mapped(one.settings, other.settings)),
        fence=tuple(_mapped(_fence(one), _fence(other))),
        metrics=tuple(_metrics(lab, one, other)),
        outputs=outputs,
    )


def _mapped(one: Mapping[str, str], other: Mapping[str, str]) -> Iterator[Differing]:
    for name in sorted({*one, *other}):
        if one.get(name) != other.get(name):
            yield Differing(name, one.get(name, "-"), other.get(name, "-"))


def _data(run: RecordedRun) -> dict[str, str]:
    return {
        one.dataset: f"@{one.number}{':' + one.part if one.part else ''}" for one in run.inputs
    }


def _command(run: RecordedRun) -> dict[str, str]:
    return {"command": shlex.join(run.start.argv), "folder": str(run.start.workdir)}


def _libraries(one: RecordedRun, other: RecordedRun) -> Iterator[Differing]:
    if libraries(one.described) != libraries(other.described):
        for name, before, after in other_libraries(one.described, other.described):
            yield Differing(name, before, after)


def _fence(run: RecordedRun) -> dict[str, str]:
    if run.run.fence is None:
        return {}
    report = history.fence_report(run.run.fence)
    return {
        "exit status": str(report.exit_status),
        "level": report.level.value,
        "network attempts": str(report.network_attempts),
        "refused": " ".join(sorted(report.refused_syscalls)) or "none",
    }


def _metrics(lab: Lab, one: RecordedRun, other: RecordedRun) -> Iterator[Differing]:
    before = dict(_numbers(lab, one.left))
    after = dict(_numbers(lab, other.left))
    for name in list(before)[:_MOST_METRICS]:
        if name in after and before[name] != after[name]:
            yield Differing(name, f"{before[name]:.6g}", f"{after[name]:.6g}")


def _numbers(lab: Lab, left: Mapping[str, Left]) -> Iterator[tuple[str, float]]:
    for path, one in sorted(left.items()):
        if path.endswith(".json") and one.output.size_bytes <= _LARGEST_METRICS:
            try:
                value = json.loads(b"".join(one.chunks(lab)))
            except (ValueError, RecursionError):
                continue  # the comparison in the fence says what is wrong with it
            yield from _leaves(path, value)


def _leaves(name: str, value: Any, depth: int = 0) -> Iterator[tuple[str, float]]:
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield name, float(value) if abs(value) < 1e300 else float("inf")
    elif isinstance(value, dict) and depth < 8:
        for key, inner in value.items():
            yield from _leaves(f"{name} {key}", inner, depth + 1)
