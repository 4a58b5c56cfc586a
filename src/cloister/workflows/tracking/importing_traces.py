"""Import of traced calls, with what they were given and gave."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from cloister.core.events import Transaction
from cloister.tracking import assessments, limits, runs
from cloister.tracking import traces as tables
from cloister.tracking.assessments import Assessment
from cloister.tracking.experiments import Experiment
from cloister.tracking.spans import span_of
from cloister.tracking.stock import StockTrace
from cloister.tracking.stock.traces import FILE
from cloister.workflows.tracking import traces
from cloister.workflows.tracking.brought import ImportReport, bring_files, cut
from cloister.workflows.tracking.traces import NewTrace
from cloister.workflows.tracking.visit import Visit

_TOGETHER = 200


def bring_traces(
    visit: Visit, home: Experiment, found: Iterable[StockTrace], report: ImportReport
) -> None:
    """The traces of an experiment that are not there yet.

    One that was on its way in when an import was killed is there without its end, and comes
    again.
    """
    for one in found:
        spans = [span_of(body) for body in one.spans or ()]
        mine = all(span.trace == one.id for span in spans)
        if one.spans is None or not mine or not tables.is_id(one.id):
            report.unread += 1
            continue
        if _is_known(visit, one.id):
            continue
        number = str(home.number)
        for start in range(0, len(spans), _TOGETHER):
            traces.add(visit, number, spans[start : start + _TOGETHER])
        traces.tell(visit, _told(one, number, report))
        _link(visit, one)
        root = f"{number}/traces/{one.id}/artifacts"
        if one.artifacts is not None:
            bring_files(visit, one.id, root, one.artifacts, report, frozenset({FILE}))
        report.traces += 1
        kept = min(len(_assessments(one)), assessments.MOST)
        report.unassessed += len(one.assessments) - kept


def _link(visit: Visit, one: StockTrace) -> None:
    """To those of its runs that came."""
    there = visit.lab.read(lambda tx: [run.run for run in runs.of_ids(tx, one.runs)])
    for run in there:
        traces.link(visit, run, [one.id])


def _assessments(one: StockTrace) -> tuple[Assessment, ...]:
    return tuple(each for each in one.assessments if each is not None)


def _is_known(visit: Visit, trace: str) -> bool:
    def query(tx: Transaction) -> bool:
        return any(one.final for one in tables.of_ids(tx, [trace]))

    return visit.lab.read(query)


def _told(one: StockTrace, home: str, report: ImportReport) -> NewTrace:
    state = one.state if one.state in tables.STATES else "STATE_UNSPECIFIED"
    new = NewTrace(
        trace=one.id,
        experiment=home,
        started_ms=min(max(0, one.started_ms), limits.LATEST_MS),
        state=state,
        duration_ms=one.duration_ms,
        client=one.client,
        given=one.given,
        gave=one.gave,
        assessments=_assessments(one)[: assessments.MOST],
    )
    metadata = tuple(cut(one.metadata, limits.TAG_CHARS, report))
    return replace(new, metadata=metadata, tags=tuple(cut(one.tags, limits.TAG_CHARS, report)))
