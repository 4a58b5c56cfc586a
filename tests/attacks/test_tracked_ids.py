"""Claim: what is tracked holds no patient's id, whichever request brought it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cloister.runs import identified
from cloister.tracking.inputs import Dataset, DatasetInput
from cloister.tracking.notes import Note
from cloister.tracking.points import Point
from cloister.workflows.tracking import experiments, metrics, model_history, runs
from cloister.workflows.tracking.log import log, log_inputs, remove_tag
from cloister.workflows.tracking.runs import NewRun
from cloister.workflows.tracking.visit import Visit
from tests.tracking.lab import TrackingLab

PATIENT, NAME = "sub_aaaaaaaaaaaaaaaa", "KX548213"


@pytest.fixture
def known() -> Iterator[TrackingLab]:
    """A lab that knows one patient."""
    lab = TrackingLab()
    lab.ids.known[NAME.casefold()] = PATIENT
    yield lab
    lab.close()


def everything(lab: TrackingLab) -> str:
    """All that the database keeps, ledger included, as text."""
    with lab.database.read() as tx:
        tables = [
            row[0] for row in tx.query("SELECT name FROM sqlite_master WHERE type='table'")
        ]
        rows = [row for table in tables for row in tx.query(f'SELECT * FROM "{table}"')]
    cells = [cell for row in rows for cell in row]
    return "\n".join(
        cell.decode("latin-1") if isinstance(cell, bytes) else str(cell) for cell in cells
    )


def say_everything(visit: Visit) -> str:
    """Every request that carries a text, with the id in it; gives the run."""
    name = f"{NAME} alone"
    number = experiments.create(visit, name, [Note(f"tag {NAME}", f"is {NAME}")])
    experiments.set_tag(visit, number, f"b/{NAME}", f"{NAME}!")
    experiments.remove_tag(visit, number, f"b/{NAME}")
    experiments.rename(visit, number, f"{name} again")
    new = NewRun(number, 5, f"run {NAME}", "me", (Note("t", NAME), Note(f"t/{NAME}", "1")))
    run = runs.create(visit, new).run.run
    runs.update(visit, run, name=f"other {NAME}")
    point = Point(f"auc/{NAME.lower()}", 0.5, 1, 0)
    log(visit, run, [point], [Note(NAME, f"/data/{NAME}.csv")], [Note("mlflow.runName", NAME)])
    dataset = Dataset(NAME, "d", "local", f"/data/{NAME}", f'["{NAME}"]', f"[{NAME}]")
    log_inputs(visit, run, [DatasetInput(dataset, (Note("context", NAME),))])
    described = f'{{"artifact_path": "{NAME}", "flavors": {{"{NAME}": 1}}}}'
    model_history.add(visit, run, described)
    return run


def test_no_table_and_no_event_holds_the_id(known: TrackingLab) -> None:
    say_everything(known.visit())
    kept = everything(known)
    assert NAME.casefold() not in kept.casefold()
    assert PATIENT in kept
    assert not known.audit().findings


def test_each_place_is_a_finding_on_the_run(known: TrackingLab) -> None:
    run = say_everything(known.visit())
    with known.database.read() as tx:
        found = identified.of_run(tx, run)
        other = identified.of_run(tx, "experiment 1")
        everywhere = identified.of_subject(tx, PATIENT)
    assert [one.place for one in found] == ["metric", "name", "param", "tag"]
    assert [one.place for one in other] == ["name", "tag"]
    assert {one.subject for one in found} == {PATIENT}
    assert len(everywhere) == 6


def test_who_asks_by_the_id_finds_what_was_logged(known: TrackingLab) -> None:
    visit = known.visit()
    run = say_everything(visit)
    history = metrics.whole(visit, run, f"auc/{NAME.lower()}").found
    assert [point.value for point in history] == [0.5]
    matching = f"params.{NAME} = '/data/{NAME}.csv' and metrics.`auc/{NAME}` > 0.4"
    assert [one.run.run for one in runs.search(visit, ["1"], matching).found] == [run]
    assert experiments.named(visit, f"{NAME} alone again").experiment.number == 1
    remove_tag(visit, run, f"t/{NAME}")
    tags = dict(runs.get(visit, run).tags).keys()
    assert tags == {"mlflow.runName", "t", "mlflow.log-model.history"}
    log(visit, run, params=[Note(NAME, f"/data/{NAME}.csv")])  # the same value again


def test_what_names_nobody_is_kept_as_it_was_said(known: TrackingLab) -> None:
    visit = known.visit()
    number = experiments.create(visit, "KX5482134 and kx54821")
    assert experiments.get(visit, number).experiment.name == "KX5482134 and kx54821"
    assert known.rows("run_identified") == 0
