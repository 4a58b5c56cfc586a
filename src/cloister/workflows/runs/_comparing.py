"""Two runs' outputs held against each other: by digest first, then by format in the fence."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cloister import fence
from cloister.core.errors import NotVerified
from cloister.core.values import FenceLevel
from cloister.fence import FenceSpec, Mount
from cloister.runs.compare import Finding, decode
from cloister.runs.links import Verdict
from cloister.workflows.lab import Act
from cloister.workflows.runs._recorded import Left

_PLACE = Path("/mnt/outputs")
_WORK = Path("/mnt/work")
_LONGEST_ANSWER = 16 << 20
_MEMORY = 1 << 30
"""For a reader besides what it reads: an archive that grows without end is cut short."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One output of either run."""

    path: str = field(repr=False)
    verdict: Verdict
    largest: float = 0.0
    where: str = field(default="", repr=False)
    """Where they differ first, or which of them has it."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """All outputs of two runs."""

    verdict: Verdict
    pairs: tuple[Pair, ...] = field(repr=False)


def compare_outputs(
    act: Act,
    first: Mapping[str, Left],
    second: Mapping[str, Left],
    tolerance: float,
    required: FenceLevel,
) -> Comparison:
    """Every output of two runs; those whose bytes differ are read in the fence.

    That they are read is on record before. Raises NotVerified when the fence gives no answer,
    FenceUnavailable.
    """
    pairs = {path: _alone(path, first, second) for path in sorted({*first, *second})}
    unequal = [path for path, pair in pairs.items() if pair is None]
    findings = _read(act, [(first[p], second[p]) for p in unequal], tolerance, required)
    for path, found in zip(unequal, findings, strict=True):
        verdict = Verdict.EQUIVALENT if found.within else Verdict.DIFFERENT
        pairs[path] = Pair(path, verdict, found.largest, found.where)
    whole = tuple(pair for pair in pairs.values() if pair is not None)
    order = (Verdict.IDENTICAL, Verdict.EQUIVALENT, Verdict.DIFFERENT)
    worst = max((order.index(pair.verdict) for pair in whole), default=0)
    return Comparison(order[worst], whole)


def compare_digests(first: Mapping[str, Left], second: Mapping[str, Left]) -> Comparison:
    """Every output of two runs by digest alone: one other byte makes it different."""
    paths = sorted({*first, *second})
    unequal = "their bytes differ"
    whole = tuple(
        _alone(path, first, second) or Pair(path, Verdict.DIFFERENT, where=unequal)
        for path in paths
    )
    same = all(pair.verdict is Verdict.IDENTICAL for pair in whole)
    return Comparison(Verdict.IDENTICAL if same else Verdict.DIFFERENT, whole)


def _alone(path: str, first: Mapping[str, Left], second: Mapping[str, Left]) -> Pair | None:
    """What can be said without reading; None where both have it and their digests differ."""
    one, other = first.get(path), second.get(path)
    if one is None or other is None:
        which = "second" if one is None else "first"
        return Pair(path, Verdict.DIFFERENT, where=f"only the {which} run left it")
    return Pair(path, Verdict.IDENTICAL) if one.sha256 == other.sha256 else None


def _read(
    act: Act, pairs: Sequence[tuple[Left, Left]], tolerance: float, required: FenceLevel
) -> list[Finding]:
    if not pairs:
        return []
    runs = sorted({one.output.run for pair in pairs for one in pair})
    operations = [act.begin_read("compare", run=run) for run in runs]
    size = sum(one.output.size_bytes for pair in pairs for one in pair)
    said = bytearray()

    def hear(chunk: bytes) -> None:
        if len(said) + len(chunk) > _LONGEST_ANSWER:
            raise NotVerified("the comparison of outputs in the fence gave no answer")
        said.extend(chunk)

    spec = FenceSpec(
        argv=(
            sys.executable, "-I", "-m", "cloister.runs.compare", str(_PLACE), repr(tolerance),
        ),
        workdir=_WORK,
        env=fence.job_environment({}, {}),
        reads=fence.interpreter_paths(sys.executable, ""),
        restored=lambda _: None,
        hidden=act.lab.private,
        data=(Mount(_PLACE, lambda folder: _fill(act, pairs, folder)),),
        required=required,
        memory_limit_bytes=_MEMORY + 4 * size,
    )  # fmt: skip
    report = fence.run(spec, on_output=hear, on_error=lambda _: None)
    act.record([act.end_read(operation, 0, size) for operation in operations])
    if report.exit_status:  # what the reader did not survive is not called the same
        return [Finding(False, 0.0, 0, "not readable in the fence") for _ in pairs]
    return decode(bytes(said), len(pairs))


def _fill(act: Act, pairs: Sequence[tuple[Left, Left]], folder: int) -> None:
    """``a/0.json`` and ``b/0.json`` for the first pair: no name of the user's goes in."""
    for place, side in enumerate(("a", "b")):
        os.mkdir(side, 0o755, dir_fd=folder)
        for number, pair in enumerate(pairs):
            left = pair[place]
            name = f"{side}/{number}.{_suffix(left.path)}"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            with os.fdopen(os.open(name, flags, 0o644, dir_fd=folder), "wb") as file:
                for chunk in left.chunks(act.lab):
                    file.write(chunk)


def _suffix(path: str) -> str:
    suffix = path.rpartition(".")[2].lower()
    return suffix if suffix.isascii() and suffix.isalnum() and len(suffix) <= 16 else "bin"
