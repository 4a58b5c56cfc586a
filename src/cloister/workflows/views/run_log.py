"""The log of a run: what its command printed, from any place in it."""

from __future__ import annotations

from dataclasses import dataclass, field

from cloister.core.errors import Erased, NotFound
from cloister.core.events import Transaction
from cloister.keys.seal import SealedReader
from cloister.policy import Action
from cloister.runs import history
from cloister.runs.history import Run, RunOutput
from cloister.workflows import _seen
from cloister.workflows.lab import Lab
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

    That it is read is on record before. Raises NotFound, NotAllowed, Erased, Tampered.
    """
    act = lab.act(Action.READ)

    def query(tx: Transaction) -> tuple[Run, RunOutput | None]:
        run, _ = both_sides(Visit(lab), tx, name)
        if run is None:
            raise NotFound("no fence was around this run: what it printed was not kept")
        lab.act(Action.READ, _seen.resource(tx, _seen.RUN, run.run))
        logs = [one for one in history.outputs(tx, run.run) if one.kind == "log"]
        return run, logs[-1] if logs else None

    run, log = lab.read(query)
    if log is None:
        return LogPart(0, 0, 0, run.ended is not None, "")
    key = open_keys(lab, [log.key]).get(log.seal)
    if key is None:
        raise Erased("the key of this log was destroyed; nobody can read it again")
    read_at, size = lab.store.open(log.object)
    reader = SealedReader(read_at, size, key, log.seal)
    most = max(1, min(most, MOST))
    begin = max(0, reader.size - most) if start is None else min(start, reader.size)
    content = reader.read_at(begin, most)
    if content:
        act.read_whole("log", len(content), run=run.run)
    end = begin + len(content)
    text = content.decode("utf-8", "replace")
    return LogPart(begin, end, reader.size, True, text)
