"""The log of a run: what its command printed, from any place in it, also while it runs."""

from __future__ import annotations

from dataclasses import dataclass, field

from cloister.core.errors import Erased, NotFound
from cloister.core.events import Transaction
from cloister.core.ids import RunId
from cloister.keys.seal import SealedReader
from cloister.policy import Action
from cloister.runs import history
from cloister.runs.history import Run, RunOutput
from cloister.workflows import _seen
from cloister.workflows.lab import Act, Lab
from cloister.workflows.queue import follow
from cloister.workflows.tracking.visit import Visit
from cloister.workflows.unseal import open_keys
from cloister.workflows.views.run import both_sides

MOST = 256 << 10


@dataclass(frozen=True, slots=True)
class LogPart:
    """A stretch of it."""

    start: int
    end: int
    size_bytes: int
    """How long the log is by now."""
    done: bool
    """Whether the run has ended: nothing follows ``size_bytes``."""
    text: str = field(repr=False)
    """Bytes that are no UTF-8 are shown as replacement characters."""


def part(lab: Lab, name: str, start: int | None = None, most: int = MOST) -> LogPart:
    """Up to ``most`` bytes from ``start`` on; the last of them where it is not said.

    Of a run that has ended from its sealed log, else from what it says as it says it. That it
    is read is on record before; but what one's own job says, it says to oneself. Raises
    NotFound, NotAllowed, Erased, Tampered.
    """
    act = lab.act(Action.READ)

    def query(tx: Transaction) -> tuple[Run, RunOutput | None]:
        run, _ = both_sides(Visit(lab), tx, name)
        if run is None:
            raise NotFound("no fence was around this run: what it printed was not kept")
        lab.act(Action.READ, _seen.resource(tx, _seen.RUN, run.run))
        logs = [one for one in history.outputs(tx, run.run) if one.kind == "log"]
        return run, logs[-1] if logs else None

    most = max(1, min(most, MOST))
    run, log = lab.read(query)
    if log is None:
        return _live(act, run, (start, most))
    return _sealed(act, run.run, log, (start, most))


def _sealed(act: Act, run: RunId, log: RunOutput, asked: tuple[int | None, int]) -> LogPart:
    key = open_keys(act.lab, [log.key]).get(log.seal)
    if key is None:
        raise Erased("the key of this log was destroyed; nobody can read it again")
    read_at, size = act.lab.store.open(log.object)
    reader = SealedReader(read_at, size, key, log.seal)
    begin, most = _begin(asked, reader.size)
    content = reader.read_at(begin, most)
    if content:
        act.read_whole("log", len(content), run=run)
    return _part(content, begin, reader.size, done=True)


def _live(act: Act, run: Run, asked: tuple[int | None, int]) -> LogPart:
    begin, content, size = follow.said(act.lab, run.run, *asked)
    if content and run.actor != act.lab.actor.person:
        act.read_whole("log", len(content), run=run.run)
    return _part(content, begin, size, done=run.ended is not None)


def _begin(asked: tuple[int | None, int], size: int) -> tuple[int, int]:
    start, most = asked
    return (max(0, size - most) if start is None else min(start, size)), most


def _part(content: bytes, begin: int, size: int, *, done: bool) -> LogPart:
    text = content.decode("utf-8", "replace")
    return LogPart(begin, begin + len(content), size, done, text)
