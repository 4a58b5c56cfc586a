"""Pipelines on record: what was begun, which attempt was which run, what was used again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from cloister.core.errors import NotFound
from cloister.core.events import Row, Transaction
from cloister.core.ids import FlowId, RunId
from cloister.core.values import KeyRef
from cloister.pipelines.job import Job

SCHEMA = (
    "CREATE TABLE flow (flow TEXT PRIMARY KEY, pipeline TEXT NOT NULL, actor TEXT NOT NULL,"
    " state TEXT NOT NULL, plan_run TEXT NOT NULL, plan TEXT NOT NULL, steps INTEGER NOT NULL,"
    " reason TEXT NOT NULL, due TEXT, begun INTEGER NOT NULL, started TEXT NOT NULL,"
    " finished TEXT)",
    "CREATE INDEX flow_pipeline ON flow (pipeline, begun)",
    "CREATE TABLE flow_attempt (run TEXT PRIMARY KEY, flow TEXT NOT NULL,"
    " step INTEGER NOT NULL, part INTEGER NOT NULL, tried INTEGER NOT NULL,"
    " cache TEXT NOT NULL, detail BLOB NOT NULL, begun INTEGER NOT NULL, value TEXT,"
    " truth INTEGER)",
    "CREATE INDEX flow_attempt_flow ON flow_attempt (flow, step, part)",
    "CREATE INDEX flow_attempt_cache ON flow_attempt (cache)",
    "CREATE TABLE flow_reused (flow TEXT NOT NULL, step INTEGER NOT NULL,"
    " part INTEGER NOT NULL, run TEXT NOT NULL, PRIMARY KEY (flow, step, part))",
    "CREATE TABLE run_source (run TEXT NOT NULL, source TEXT NOT NULL,"
    " PRIMARY KEY (run, source))",
    "CREATE INDEX run_source_source ON run_source (source)",
    "CREATE TABLE asset_made (idx INTEGER NOT NULL, asset TEXT NOT NULL, run TEXT NOT NULL,"
    " PRIMARY KEY (idx, asset))",
    "CREATE TABLE flow_secret (place INTEGER PRIMARY KEY, owner TEXT NOT NULL,"
    " seal BLOB NOT NULL, wrap BLOB NOT NULL, secret BLOB NOT NULL)",
)
STOPPING = ("ALTER TABLE flow ADD COLUMN stopping TEXT",)
WAITING = (
    "ALTER TABLE flow ADD COLUMN waiting TEXT",
    "ALTER TABLE flow ADD COLUMN place INTEGER",
    "ALTER TABLE flow ADD COLUMN most INTEGER",
    "ALTER TABLE flow_attempt ADD COLUMN stopped INTEGER",
)
TABLES = ("flow", "flow_attempt", "flow_reused", "run_source", "asset_made", "flow_secret")
_A_QUESTION = 500
DETAIL = "task"
"""The purpose under which what an attempt's key was made of is sealed."""
SECRET = "cache-secret"  # noqa: S105 - a purpose
"""The purpose under which the secret of all keys is sealed."""


class Flow(NamedTuple):
    """One run of a pipeline."""

    flow: FlowId
    pipeline: str
    actor: str
    state: str
    """``waiting``, ``running``, ``finished``, ``failed``, ``interrupted`` or ``stopped``."""
    plan_run: RunId
    """The run of the worker that read the file: its outputs hold the plan, sealed."""
    plan: str
    """The object; empty where it never came to its turn."""
    steps: int
    reason: str
    due: str | None
    begun: int
    started: str
    finished: str | None
    stopping: str | None
    """Since when somebody wants it stopped."""
    waiting: str | None
    """Since when it waits until another run of its pipeline is over."""
    place: int | None
    """Where the ledger says so: who has the smallest is next."""
    most: int | None
    """As many go on at a time."""


class Attempt(NamedTuple):
    """One try of one call: a run."""

    run: RunId
    flow: FlowId
    step: int
    part: int
    tried: int
    cache: str
    """A keyed digest of all that its result depends on; empty where it is never used again."""
    detail: bytes
    begun: int
    value: str | None
    """A keyed digest of what it gave; None until that is on record."""
    truth: int | None
    """Whether what it gave counts as true, for conditions."""
    state: str
    started: str
    finished: str | None
    seal: bytes
    wrap: bytes

    @property
    def job(self) -> Job:
        """The call that it tried."""
        return Job(self.step, self.part)

    @property
    def key(self) -> KeyRef:
        """What opens the detail."""
        return KeyRef(self.run, self.seal, self.wrap)


class Reused(NamedTuple):
    """A call that was not made, for an earlier one had the same key."""

    flow: FlowId
    step: int
    part: int
    run: RunId

    @property
    def job(self) -> Job:
        """The call."""
        return Job(self.step, self.part)


_ATTEMPT = (
    "SELECT a.run, a.flow, a.step, a.part, a.tried, a.cache, a.detail, a.begun, a.value,"
    " a.truth, CASE WHEN a.stopped = 1 AND run.state IN ('interrupted', 'failed')"
    " THEN 'stopped' ELSE run.state END,"
    " run.started, run.finished, run.seal, run.wrap FROM flow_attempt a"
    " JOIN run ON run.run = a.run"
)
_STOPPED = (
    "SELECT a.run FROM flow_attempt a JOIN run ON run.run = a.run"
    " WHERE a.stopped = 1 AND run.state IN ('interrupted', 'failed')"
)


def find(tx: Transaction, name: str) -> Flow:
    """By a unique beginning of its id, by its pipeline's name (the newest), or ``last``.

    Raises NotFound.
    """
    if name.startswith("flo_"):
        rows = tx.query("SELECT * FROM flow WHERE flow >= ? AND flow < ?", (name, name + "~"))
    elif name == "last":
        rows = tx.query("SELECT * FROM flow ORDER BY begun DESC LIMIT 1", ())
    else:
        rows = tx.query(
            "SELECT * FROM flow WHERE pipeline = ? ORDER BY begun DESC LIMIT 1", (name,)
        )
    if name == "last" and not rows:
        raise NotFound("no pipeline has run yet", hint="see `cloister pipeline run --help`")
    if len(rows) != 1:
        what = "no run of a pipeline" if not rows else "more than one"
        raise NotFound(f"{what} is called {name}", hint="see `cloister pipeline ls`")
    return _flow(rows[0])


def everything(tx: Transaction) -> list[Flow]:
    """All of them, oldest first."""
    return [_flow(row) for row in tx.query("SELECT * FROM flow ORDER BY begun")]


def running(tx: Transaction) -> list[Flow]:
    """Those whose end is not on record, and those that wait."""
    sql = "SELECT * FROM flow WHERE state IN ('running', 'waiting')"
    return [_flow(row) for row in tx.query(sql)]


def line(tx: Transaction, pipeline: str) -> list[Flow]:
    """The runs of a pipeline that wait, the next one first."""
    sql = "SELECT * FROM flow WHERE pipeline = ? AND state = 'waiting' ORDER BY place"
    return [_flow(row) for row in tx.query(sql, (pipeline,))]


def stopped(tx: Transaction, runs: Sequence[str]) -> frozenset[str]:
    """Those of ``runs`` that were a call of a pipeline's run when somebody stopped that."""
    rows = _in_parts(tx, _STOPPED + " AND a.run IN ({})", runs)
    return frozenset(str(run) for (run,) in rows)


def of_pipeline(tx: Transaction, name: str) -> list[Flow]:
    """All runs of one pipeline, newest first."""
    rows = tx.query("SELECT * FROM flow WHERE pipeline = ? ORDER BY begun DESC", (name,))
    return [_flow(row) for row in rows]


def attempts(tx: Transaction, flow: str) -> list[Attempt]:
    """Every attempt of a flow, oldest first."""
    rows = tx.query(f"{_ATTEMPT} WHERE a.flow = ? ORDER BY a.begun, a.run", (flow,))
    return [_attempt(row) for row in rows]


def attempt_of(tx: Transaction, run: str) -> Attempt | None:
    """The attempt that a run is."""
    return attempts_of(tx, [run]).get(RunId(run))


def attempts_of(tx: Transaction, runs: Sequence[str]) -> dict[RunId, Attempt]:
    """The attempts that runs are, of those that are one."""
    rows = _in_parts(tx, _ATTEMPT + " WHERE a.run IN ({})", runs)
    return {one.run: one for one in map(_attempt, rows)}


def maker(tx: Transaction, asset: str) -> RunId | None:
    """The run of the task that an asset stands for: the last that made it."""
    rows = tx.query(
        "SELECT run FROM asset_made WHERE asset = ? ORDER BY idx DESC LIMIT 1", (asset,)
    )
    return RunId(str(rows[0][0])) if rows else None


def reused(tx: Transaction, flow: str) -> list[Reused]:
    """What a flow took from earlier ones."""
    rows = tx.query("SELECT * FROM flow_reused WHERE flow = ? ORDER BY step, part", (flow,))
    return [Reused(FlowId(str(r[0])), int(r[1]), int(r[2]), RunId(str(r[3]))) for r in rows]


def taken(tx: Transaction, flow: str) -> dict[Job, Attempt]:
    """Calls of a flow that were not made -> the earlier attempts that they used again."""
    calls = reused(tx, flow)
    found = attempts_of(tx, [one.run for one in calls])
    return {one.job: found[one.run] for one in calls if one.run in found}


def cached(tx: Transaction, keys: Sequence[str]) -> dict[str, Attempt]:
    """Key -> the newest attempt that ended well under it."""
    ended = " WHERE a.cache IN ({}) AND run.state = 'finished' AND a.value IS NOT NULL"
    rows = _in_parts(tx, f"{_ATTEMPT}{ended} ORDER BY a.begun", keys)
    return {one.cache: one for one in map(_attempt, rows)}


def sources(tx: Transaction, run: str) -> list[RunId]:
    """The runs whose values a run was given."""
    rows = tx.query("SELECT source FROM run_source WHERE run = ? ORDER BY source", (run,))
    return [RunId(str(row[0])) for row in rows]


def came_from(tx: Transaction, run: str) -> set[str]:
    """``run`` and all runs whose values reached it, by whatever ways."""
    found, waiting = {run}, [run]
    while waiting:
        for source in sources(tx, waiting.pop()):
            if source not in found:
                found.add(source)
                waiting.append(source)
    return found


def secret(tx: Transaction) -> tuple[KeyRef, bytes] | None:
    """What opens the secret of keys, and the secret, sealed."""
    rows = tx.query("SELECT owner, seal, wrap, secret FROM flow_secret ORDER BY place LIMIT 1")
    if not rows:
        return None
    owner, seal, wrap, sealed = rows[0]
    return KeyRef(owner, seal, wrap), sealed


def inherited(tx: Transaction, runs: Iterable[str]) -> dict[tuple[str, int], tuple[str, str]]:
    """(dataset, number) -> root and part, of all that ``runs`` were given, or inherited.

    Where they were given different parts of a version, all of it.
    """
    found: dict[tuple[str, int], tuple[str, str]] = {}
    for run in runs:
        rows = tx.query(
            "SELECT dataset, number, root, part FROM run_input WHERE run = ?", (run,)
        )
        for dataset, number, root, part in rows:
            at = (str(dataset), int(number))
            before = found.get(at)
            same = before is None or before[1] == part
            found[at] = (str(root), str(part) if same else "")
    return found


def _in_parts(tx: Transaction, sql: str, of: Sequence[str]) -> Iterator[Row]:
    """The rows of a question about many, asked for some at a time: ``{}`` are their marks."""
    for at in range(0, len(of), _A_QUESTION):
        some = tuple(of[at : at + _A_QUESTION])
        yield from tx.query(sql.format(", ".join("?" * len(some))), some)


def _flow(row: Row) -> Flow:
    return Flow._make((FlowId(str(row[0])), *row[1:4], RunId(str(row[4])), *row[5:]))


def _attempt(row: Row) -> Attempt:
    return Attempt._make((RunId(str(row[0])), FlowId(str(row[1])), *row[2:]))
