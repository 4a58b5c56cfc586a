"""Export of traced calls, with what they were given and gave."""

from __future__ import annotations

from cloister.core.errors import Erased
from cloister.core.events import Transaction
from cloister.tracking import traces
from cloister.tracking.experiments import Experiment
from cloister.tracking.spans import Json
from cloister.tracking.stock import StockTrace
from cloister.tracking.stock.writing import FolderWriter
from cloister.tracking.traces import Trace
from cloister.workflows.tracking.given import ExportReport, Given, give_files, may_give
from cloister.workflows.tracking.trace_reading import SeenTrace
from cloister.workflows.tracking.trace_reading import whole as read
from cloister.workflows.tracking.visit import Visit


def give_traces(
    visit: Visit, tx: Transaction, writer: FolderWriter, home: Experiment, report: ExportReport
) -> None:
    """The traces of an experiment, opened one by one: each reading is on record."""
    for one in traces.of_experiment(tx, home.number):
        given = _given(one)
        may_give(visit, tx, given)
        try:
            found = read(visit, [one.trace], deleted=True)
        except Erased:
            report.erased += 1
            continue
        for shown, spans in found:
            place = writer.trace(_stock(shown, spans))
            if not shown.has_spans:  # they are a file of the same name
                (place / "traces.json").unlink()
            give_files(visit, tx, given, place, report)
            report.traces += 1


def _given(one: Trace) -> Given:
    return Given(one.trace, one.experiment, one.project, one.fenced, "traces/")


def _stock(one: SeenTrace, spans: list[Json]) -> StockTrace:
    trace = one.trace
    return StockTrace(
        id=trace.trace,
        experiment=str(trace.experiment),
        started_ms=trace.started_ms,
        duration_ms=trace.duration_ms,
        state=trace.state,
        client=trace.client,
        given=one.face.given,
        gave=one.face.gave,
        metadata=(*one.metadata, *one.face.metadata),
        tags=tuple(one.tags),
        spans=tuple(spans),
        artifacts=None,
        assessments=tuple(one.assessments),
    )
