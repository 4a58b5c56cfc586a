"""Chain: one patient's way through the lab as a page to look at, pseudonyms only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cloister.core.clock import timestamp
from cloister.core.events import Transaction
from cloister.datasets import versions
from cloister.models.registry import Prediction
from cloister.policy import Action
from cloister.proof.chain import Chain, Item, Mark, Stage
from cloister.workflows.lab import Lab
from cloister.workflows.patients.trace import Trace, TracedRun, follow
from cloister.workflows.patients.whose import Patient

_SHOWN = 12


def chain(lab: Lab, patient: Patient) -> Chain:
    """The patient's records, labels, versions, runs, models and predictions, linked."""
    lab.act(Action.TRACE)
    return lab.read(lambda tx: _draw(lab, tx, patient))


def _draw(lab: Lab, tx: Transaction, patient: Patient) -> Chain:
    found = follow(tx, patient)
    head = lab.reader.head(tx)
    return Chain(
        title=f"What came of {patient.asked}",
        facts=(
            ("Lab", lab.id),
            ("Drawn", timestamp(lab.clock.now())[:19] + "Z"),
            ("Ledger", f"{head.size:,} entries, root {head.root.hex()[:16]}..."),
            ("Erased", "no" if found.erased is None else f"ledger entry {found.erased}"),
        ),
        stages=(
            _patient(found),
            _records(found),
            _labels(found),
            _versions(tx, found),
            _runs(found),
            _models(found),
            _predictions(found),
        ),
    )


def _stage(title: str, columns: tuple[str, ...], items: Sequence[Item]) -> Stage:
    return Stage(title, columns, tuple(items[:_SHOWN]), max(0, len(items) - _SHOWN))


def _patient(found: Trace) -> Stage:
    mark = Mark.NONE if found.erased is None else Mark.ERASED
    items = [Item(name, (), (), mark) for name in found.patient.names]
    return _stage("Patient", (), items)


def _records(found: Trace) -> Stage:
    mark = Mark.NONE if found.erased is None else Mark.ERASED
    items = [
        Item(
            record.record,
            (record.kind, f"{record.size_bytes:,} bytes", (record.object or "no bytes")[:16]),
            (record.subject,),
            mark,
        )
        for record in found.records
    ]
    return _stage("Record", ("kind", "size", "sealed object"), items)


def _labels(found: Trace) -> Stage:
    items = [
        Item(label.label, (label.schema, label.role, label.time[:10]), (label.record,))
        for label in found.labels
    ]
    return _stage("Label", ("question", "reader", "date"), items)


def _versions(tx: Transaction, found: Trace) -> Stage:
    items = []
    for dataset, number in found.versions:
        version = versions.resolve(tx, f"{dataset}@{number}")
        shown = [
            record.record
            for record in found.records
            if record.dataset == dataset
            and (record.added_in or number + 1) <= number
            and (record.removed_in is None or record.removed_in > number)
        ]
        cells = (f"{version.records:,}", f"{version.subjects:,}", version.root[:16])
        items.append(Item(str(version), cells, tuple(shown[:_SHOWN])))
    return _stage("Version", ("records", "subjects", "root"), items)


def _runs(found: Trace) -> Stage:
    items = [
        Item(
            run.run.run,
            (
                run.run.state,
                run.run.started[:19] + "Z",
                run.run.code[:16],
                run.data_class or "-",
            ),
            tuple(f"{given.dataset}@{given.number}" for given in run.inputs),
        )
        for run in found.runs
    ]
    return _stage("Run", ("state", "started", "code", "data class"), items)


def _models(found: Trace) -> Stage:
    items = [
        Item(
            model.sha256[:16],
            (model.format, f"{model.size_bytes:,} bytes"),
            (run.run.run,),
            Mark.TAINTED if run.tainted else Mark.UNRELEASED,
        )
        for run in found.runs
        for model in run.models
    ]
    return _stage("Model", ("format", "size"), items)


def _predictions(found: Trace) -> Stage:
    items = [
        Item(
            f"entry {answer.place}",
            (answer.time[:19] + "Z", answer.subject or "not said"),
            (answer.sha256[:16],),
        )
        for run in found.runs
        for answer in _newest(run)
    ]
    return _stage("Prediction", ("time", "about"), items)


def _newest(run: TracedRun) -> Iterable[Prediction]:
    return reversed(run.predictions)
