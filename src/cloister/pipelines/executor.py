"""The seam to where calls run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Call:
    """One call to make."""

    number: int
    """Of the attempt; unique while the executor is open."""
    task: int
    """Which of the plan's tasks."""
    arguments: bytes = field(repr=False)
    values: Mapping[int, bytes] = field(default_factory=dict, repr=False)
    """Step -> its value, of those it takes, and of no other."""
    files: Mapping[int, tuple[tuple[str, bytes], ...]] = field(default_factory=dict, repr=False)
    """Step -> the files that its value names."""
    over: str | None = None
    part: tuple[int, bytes] | None = field(default=None, repr=False)
    """Of a mapped step: the step whose list it is, and this call's item."""
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """A call that has ended."""

    number: int
    ok: bool
    value: bytes = field(default=b"", repr=False)
    files: tuple[tuple[str, bytes], ...] = field(default=(), repr=False)
    log: bytes = field(default=b"", repr=False)
    took_ms: int = 0
    peak_bytes: int = 0
    error: str = ""
    """The type of what was raised, ``timeout``, ``lost`` or an exit status; never its text."""


class Executor(Protocol):
    """Makes calls, several at a time, in any order.

    Guarantees of an implementation: every submitted call is reported by ``poll`` exactly once,
    as lost where its process or machine vanished; after ``cancel`` or ``close`` no process of
    the call is left; a call is given its own values and no other's; one that was not submitted
    is never reported. Used by one thread. Nothing is retried here.
    """

    @property
    def slots(self) -> int:
        """How many calls it makes at a time; more may be submitted, and wait."""

    def submit(self, call: Call) -> None:
        """Takes a call; returns at once."""

    def poll(self, patience_s: float) -> list[Ended]:
        """What ended since the last time; waits at most so long for the first."""

    def cancel(self, number: int) -> None:
        """Ends a call if it is under way; it is still reported."""

    def close(self) -> None:
        """Ends everything."""


def message(call: Call, *, fork: bool) -> dict[str, object]:
    """The call as the worker takes it."""
    return {
        "do": "call",
        "id": call.number,
        "task": call.task,
        "arguments": call.arguments,
        "values": dict(call.values),
        "files": {step: [list(one) for one in files] for step, files in call.files.items()},
        "over": call.over,
        "part": None if call.part is None else list(call.part),
        "timeout": call.timeout_s,
        "fork": fork,
    }


def answer(told: Mapping[str, object]) -> Ended:
    """What the worker said of a call; raises TypeError, ValueError for none."""
    number, ok, value = told.get("id"), told.get("ok"), told.get("value", b"")
    log, files, error = told.get("log", b""), told.get("files", []), told.get("error", "")
    if not (isinstance(number, int) and isinstance(ok, bool) and isinstance(value, bytes)):
        raise TypeError("not an answer")
    if not (isinstance(log, bytes) and isinstance(files, list) and isinstance(error, str)):
        raise TypeError("not an answer")
    kept = []
    for name, content in files:
        if not (isinstance(name, str) and isinstance(content, bytes)):
            raise TypeError("not a file")
        kept.append((name, content))
    took, peak = told.get("ms", 0), told.get("peak", 0)
    return Ended(
        number=number,
        ok=ok,
        value=value,
        files=tuple(kept),
        log=log,
        took_ms=took if isinstance(took, int) else 0,
        peak_bytes=peak if isinstance(peak, int) else 0,
        error=error[:200],
    )
