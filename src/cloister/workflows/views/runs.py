"""The runs of a lab as one table: those that track, and those only the fence tells of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from cloister.core.errors import BadInput
from cloister.core.events import Transaction
from cloister.core.ids import RunId
from cloister.identity import people
from cloister.models import registry
from cloister.policy import Action
from cloister.runs import history, identified, links, tainted
from cloister.runs.history import Run
from cloister.runs.identified import Place
from cloister.tracking import experiments, notes, points, runs
from cloister.tracking.experiments import ACTIVE, Experiment
from cloister.tracking.runs import TrackedRun
from cloister.tracking.search import pages
from cloister.tracking.search import runs as searching
from cloister.tracking.search.grammar import parse_order
from cloister.workflows._stopped import stopped
from cloister.workflows.lab import Lab
from cloister.workflows.tracking import seen
from cloister.workflows.tracking.cleaning import Cleaner
from cloister.workflows.tracking.visit import Visit
from cloister.workflows.views import _alone
from cloister.workflows.views._alone import Alone
from cloister.workflows.views._moments import moment

MOST_A_PAGE = 200
MOST_COLUMNS = 30
_KINDS = {"metrics": "metric", "params": "param", "tags": "tag"}
_CUT_OFF = frozenset({"failed", "killed", "interrupted"})
_NEWEST = "attributes.start_time DESC"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The part of the table that somebody asks for."""

    filter: str = ""
    """In MLflow's grammar."""
    order: str = ""
    """One column and ``ASC`` or ``DESC``, in MLflow's grammar; empty: the newest first."""
    columns: tuple[str, ...] = ()
    """``metrics.NAME``, ``params.NAME`` or ``tags.NAME``: more than these is not read."""
    limit: int = 100
    after: str | None = None
    experiment: str = ""
    """Name or number; empty: of all, and of what tracked nothing."""
    deleted: bool = False
    """Those that were deleted, instead of those that were not."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """One line."""

    run: str
    """The id of its page."""
    name: str
    fenced: RunId | None
    """The run of the fence it was made in; None where no fence was around it."""
    tracked: bool
    experiment: str | None
    state: str
    """``running``, ``scheduled``, ``finished``, ``failed``, ``killed``, ``interrupted``, or
    ``stopped`` where somebody asked it to."""
    who: str
    started: str
    ended: str | None
    data: tuple[str, ...]
    standing: str | None
    """The verdict of its last replay; of a replay, that it is one."""
    fence: str | None
    """How strong the fence was; None without one, or before it ended."""
    models: int
    tainted: bool
    findings: int
    """Patients' ids that it named."""
    values: Mapping[str, str | float] = field(repr=False)
    """Of the columns that were asked for, those that it has."""


@dataclass(frozen=True, slots=True)
class RunTable:
    """One page of it."""

    rows: tuple[RunRow, ...]
    next: str | None
    total: int
    """How many match in all."""


class _Found(NamedTuple):
    tracked: TrackedRun | None
    alone: Alone | None

    @property
    def fenced(self) -> str | None:
        return self.alone.run if self.alone else self.tracked.fenced if self.tracked else None

    @property
    def id(self) -> str:
        return self.alone.run if self.alone else self.tracked.run if self.tracked else ""


def table(lab: Lab, wanted: Wanted) -> RunTable:
    """One page; raises BadInput for a filter, an order or a column that is none."""
    lab.act(Action.LIST)
    visit = Visit(lab)
    if not 0 < wanted.limit <= MOST_A_PAGE:
        raise BadInput(f"a page has 1 to {MOST_A_PAGE} runs")
    order = _order(wanted.order)
    columns = _columns(wanted.columns)
    offset = pages.offset_of(wanted.after)
    filter_string = Cleaner(visit).text(Place.NAME, wanted.filter)
    last = offset + wanted.limit

    def query(tx: Transaction) -> RunTable:
        homes = _homes(visit, tx, wanted)
        stages = seen.STAGES["DELETED_ONLY" if wanted.deleted else "ACTIVE_ONLY"]
        numbers = [home.number for home in homes]
        orders = [wanted.order or _NEWEST]
        searching.parse_all(filter_string, orders)
        alone: list[Alone] = []
        others = 0
        if not wanted.experiment and not wanted.deleted:
            alone, others = _alone.search(lab, tx, filter_string, order, last + 1)
        # As many of these come before the page at least, wherever the others stand.
        before = max(0, offset - others)
        tracked, total = searching.search_counted(
            tx, numbers, stages, filter_string, orders, (before, last - before)
        )
        total += others
        both = list(_merged(tracked, alone, order))[offset - before : last - before]
        names = {home.number: home.name for home in homes}
        following = pages.token_at(last) if total > last else None
        return RunTable(tuple(_rows(lab, tx, both, names, columns)), following, total)

    return lab.read(query)


def _order(text: str) -> tuple[str, bool]:
    """The attribute that both kinds of runs are ordered by; empty for what one kind lacks."""
    name, ascending = parse_order(text or _NEWEST)
    entity, key = searching.about(name)
    return (key if entity == "attribute" else "", ascending)


def _columns(texts: Sequence[str]) -> dict[str, list[str]]:
    """Kind -> names; raises BadInput."""
    if len(texts) > MOST_COLUMNS:
        raise BadInput(f"at most {MOST_COLUMNS} columns are shown at once")
    found: dict[str, list[str]] = {kind: [] for kind in _KINDS.values()}
    for text in texts:
        kind, _, name = text.partition(".")
        if kind not in _KINDS or not name:
            raise BadInput("a column is metrics.NAME, params.NAME or tags.NAME")
        found[_KINDS[kind]].append(name)
    return found


def _homes(visit: Visit, tx: Transaction, wanted: Wanted) -> list[Experiment]:
    """The experiments whose runs are shown."""
    return [
        one
        for one in experiments.everything(tx)
        if (wanted.deleted or one.stage == ACTIVE)
        and wanted.experiment in {"", one.name, str(one.number)}
        and seen.shares(visit, tx, one)
    ]


def _merged(
    tracked: Sequence[TrackedRun], alone: Sequence[Alone], order: tuple[str, bool]
) -> Iterator[_Found]:
    """Both, in one order; what is ordered by something that only tracked runs have, follows."""
    key, ascending = order
    left, right = list(reversed(tracked)), list(reversed(alone))
    while left and right:
        if _comes_first(left[-1], right[-1], key, ascending):
            yield _Found(left.pop(), None)
        else:
            yield _Found(None, right.pop())
    yield from (_Found(one, None) for one in reversed(left))
    yield from (_Found(None, one) for one in reversed(right))


def _comes_first(one: TrackedRun, other: Alone, key: str, ascending: bool) -> bool:
    mine, theirs = _keys(one, other, key)
    if mine is None or theirs is None:
        if (mine is None) != (theirs is None):
            return theirs is None
        return (moment(one.started_ms) or "") >= other.started
    if mine == theirs:
        return (moment(one.started_ms) or "") >= other.started
    return (mine < theirs) is ascending


def _keys(one: TrackedRun, other: Alone, key: str) -> tuple[str | None, str | None]:
    pairs = {
        "start_time": (moment(one.started_ms), other.started),
        "end_time": (moment(one.ended_ms), other.finished),
        "run_id": (one.run, other.run),
        "run_name": (one.name, other.run),
        "status": (one.status, other.status),
        "user_id": (one.user_id, other.user),
    }
    return pairs.get(key, ("", None))


def _rows(
    lab: Lab,
    tx: Transaction,
    found: Sequence[_Found],
    homes: Mapping[int, str],
    columns: Mapping[str, Sequence[str]],
) -> Iterator[RunRow]:
    tracked = [one.tracked.run for one in found if one.tracked]
    fenced = list(dict.fromkeys(one.fenced for one in found if one.fenced))
    beside = _Beside.of(tx, tracked, fenced)
    values = _values(tx, tracked, columns)
    for one in found:
        yield _row(one, beside, homes, values.get(one.id, {}))


class _Beside(NamedTuple):
    """What is known of the runs of a page beside their own rows: a few queries for all."""

    runs: Mapping[str, Run]
    inputs: Mapping[str, Sequence[history.RunInput]]
    standings: Mapping[str, str]
    models: Mapping[str, int]
    tainted: frozenset[str]
    findings: Mapping[str, int]
    stopped: frozenset[str]
    actors: Mapping[str, str]
    people: Mapping[str, str]

    @classmethod
    def of(cls, tx: Transaction, tracked: Sequence[str], fenced: Sequence[str]) -> _Beside:
        """Of these."""
        return cls(
            runs={run.run: run for run in history.of_ids(tx, fenced)} if fenced else {},
            inputs=history.inputs_of(tx, fenced) if fenced else {},
            standings=links.standings(tx, fenced),
            models=registry.counts(tx, fenced) if fenced else {},
            tainted=_tainted(tx, fenced) if fenced else frozenset(),
            findings=identified.counts(tx, [*tracked, *fenced]) if tracked or fenced else {},
            stopped=stopped(tx, fenced),
            actors=runs.actors(tx, tracked),
            people={one.person: one.name for one in people.everyone(tx, removed=True)},
        )


def _tainted(tx: Transaction, fenced: Sequence[str]) -> frozenset[str]:
    """By what they were given, or as earlier releases noted it: by the models they left."""
    return tainted.among(tx, fenced) | registry.tainted(tx, fenced)


def _row(
    one: _Found, beside: _Beside, homes: Mapping[int, str], values: Mapping[str, str | float]
) -> RunRow:
    run = beside.runs.get(one.fenced or "")
    track = one.tracked
    actor = beside.actors.get(one.id) if track else run.actor if run else None
    report = history.fence_report(run.fence) if run and run.fence else None
    named = beside.findings.get(one.id, 0)
    if track and run:
        named += beside.findings.get(run.run, 0)
    return RunRow(
        run=one.id,
        name=track.name if track else "",
        fenced=run.run if run else None,
        tracked=track is not None,
        experiment=homes.get(track.experiment) if track else None,
        state=_state(one, run, beside.stopped),
        who=beside.people.get(actor or "", actor or ""),
        started=(moment(track.started_ms) if track else run.started if run else None) or "",
        ended=moment(track.ended_ms) if track else run.finished if run else None,
        data=tuple(data_name(given) for given in beside.inputs.get(one.fenced or "", ())),
        standing=beside.standings.get(one.fenced or ""),
        fence=report.level.value if report else None,
        models=beside.models.get(one.fenced or "", 0),
        tainted=one.fenced in beside.tainted,
        findings=named,
        values=values,
    )


def _state(one: _Found, run: Run | None, stopped: frozenset[str]) -> str:
    said = one.tracked.status.lower() if one.tracked else run.state if run else ""
    return "stopped" if said in _CUT_OFF and one.fenced in stopped else said


def data_name(given: history.RunInput) -> str:
    """A dataset version as a run was given it: ``chest@3:split:train``."""
    part = f":{given.part}" if given.part else ""
    return f"{given.dataset}@{given.number}{part}"


def _values(
    tx: Transaction, tracked: Sequence[str], columns: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, str | float]]:
    found: dict[str, dict[str, str | float]] = {}
    for one in points.latest_named(tx, tracked, columns["metric"]):
        found.setdefault(one.run, {})[f"metrics.{one.metric}"] = one.value
    for kind, prefix in (("param", "params"), ("tag", "tags")):
        for run, name, value in notes.named(tx, kind, tracked, columns[kind]):
            found.setdefault(run, {})[f"{prefix}.{name}"] = value
    return found
