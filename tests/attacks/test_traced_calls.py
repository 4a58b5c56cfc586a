"""Claim: what a traced call was given and gave is sealed, without ids, and its own run's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cloister.core.errors import Erased, NotAllowed, NotFound
from cloister.runs import identified
from cloister.tracking import artifacts as tables
from cloister.tracking.assessments import Assessment
from cloister.tracking.notes import Note
from cloister.workflows.tracking import (
    assessments,
    experiments,
    runs,
    trace_reading,
    traces,
)
from cloister.workflows.tracking.assessments import Changed
from cloister.workflows.tracking.runs import NewRun
from cloister.workflows.tracking.visit import Visit
from tests.tracking.calls import new_id, span, told
from tests.tracking.sealing import SealingLab, sealing_lab

PATIENT, NAME = "sub_aaaaaaaaaaaaaaaa", "KX548213"
WORD = "hemianopsia"


@pytest.fixture(scope="module")
def lab() -> Iterator[SealingLab]:
    with sealing_lab() as made:
        yield made


@pytest.fixture
def visit(lab: SealingLab) -> Visit:
    return lab.visit()


@pytest.fixture(scope="module")
def home(lab: SealingLab) -> str:
    return experiments.create(lab.visit(), "calls")


def files(folder: Path) -> Iterator[bytes]:
    """All that is on disk of the lab, its database among it."""
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.read_bytes()


def test_no_file_of_the_lab_holds_what_a_call_said(
    lab: SealingLab, visit: Visit, home: str
) -> None:
    trace = new_id()
    value = {"stringValue": WORD}
    attributes = [{"key": WORD, "value": value}]
    traces.add(visit, home, [span(trace, attributes=attributes, status={"message": WORD})])
    said = (Note("mlflow.traceInputs", WORD), Note("mlflow.traceOutputs", WORD))
    traces.tell(visit, told(trace, home, given=WORD, gave=WORD, metadata=said))
    assert not any(WORD.encode() in content for content in files(lab.folder))
    ((seen, bodies),) = trace_reading.whole(visit, [f"tr-{trace}"])
    assert json.dumps([bodies, seen]).count(WORD) == 7


def test_ids_of_patients_give_way_wherever_they_stand(
    lab: SealingLab, visit: Visit, home: str
) -> None:
    lab.ids.known[NAME.casefold()] = PATIENT
    run = runs.create(visit, NewRun(home)).run.run
    trace = new_id()
    deep = {"kvlistValue": {"values": [{"key": NAME, "value": {"stringValue": NAME}}]}}
    attributes = [{"key": f"about {NAME}", "value": {"arrayValue": {"values": [deep]}}}]
    events = [{"name": f"saw {NAME}", "timeUnixNano": "1"}]
    said = span(trace, name=f"ask {NAME}", attributes=attributes, events=events)
    traces.add(visit, home, [said], run)
    traces.tell(
        visit,
        told(
            trace,
            home,
            client=NAME,
            given=f"[{NAME}]",
            gave=NAME,
            metadata=(Note("mlflow.sourceRun", run), Note("mlflow.traceInputs", NAME)),
            tags=(Note("who", NAME),),
        ),
    )
    traces.set_tag(visit, f"tr-{trace}", Note("again", NAME))
    ((seen, bodies),) = trace_reading.whole(visit, [f"tr-{trace}"])
    everything = json.dumps([bodies, seen])
    assert NAME not in everything
    assert everything.count(PATIENT) == 12
    found = visit.lab.read(lambda tx: identified.of_run(tx, run))
    assert [(one.place, one.subject) for one in found] == [("trace", PATIENT)]


def assessed(visit: Visit, trace: str, text: str = "secret", **more: Any) -> Assessment:
    said = {"assessment_name": text, "feedback": {"value": {text: [text]}}, "rationale": text}
    new = assessments.read(visit, said | more)
    return assessments.create(visit, f"tr-{trace}", new)


def test_what_is_said_of_a_call_is_sealed_and_without_ids(
    lab: SealingLab, visit: Visit, home: str
) -> None:
    lab.ids.known[NAME.casefold()] = PATIENT
    trace, text = new_id(), f"{NAME} {WORD}s"
    traces.tell(visit, told(trace, home))
    source = {"source_type": "HUMAN", "source_id": text}
    first = assessed(visit, trace, text, source=source, metadata={text: text}, span_id=NAME)
    change = Changed(kind="feedback", value=text, error={"error_message": text}, name=text)
    assessments.change(visit, f"tr-{trace}", first.id, change)
    in_it = (
        assessments.read(visit, {"assessment_name": text, "expectation": {"value": text}}),
    )
    traces.tell(visit, told(trace, home, assessments=in_it))
    assert not any(f"{WORD}s".encode() in content for content in files(lab.folder))
    seen = trace_reading.info(visit, f"tr-{trace}").assessments
    everything = b"".join(one.content() for one in seen).decode()
    assert NAME not in everything
    assert everything.count(PATIENT) == 10
    found = visit.lab.read(lambda tx: identified.of_run(tx, f"tr-{trace}"))
    assert [(one.place, one.subject) for one in found] == [("trace", PATIENT)]


def test_what_is_said_of_a_fenced_call_goes_with_its_run(lab: SealingLab, home: str) -> None:
    """Whoever says it: it may repeat what the run was given."""
    mine, other, outside, looking = (
        lab.fenced(),
        lab.fenced(),
        lab.visit(),
        lab.visit("auditor"),
    )
    trace = new_id()
    name = f"tr-{trace}"
    traces.tell(mine, told(trace, home))
    one, two = assessed(mine, trace), assessed(outside, trace)
    with lab.database.read() as tx:
        owners = {part.owner for part in tables.below(tx, f"assessments:{name}")}
    assert owners == {mine.fenced}
    assert len(trace_reading.info(outside, name).assessments) == 2
    assert trace_reading.info(looking, name).assessments == []
    with pytest.raises(NotAllowed):
        assessments.get(looking, name, one.id)
    run = runs.create(other, NewRun(home)).run.run
    for attempt in (
        lambda: assessed(other, trace),
        lambda: assessments.get(other, name, one.id),
        lambda: assessments.change(other, name, one.id, Changed(name="x")),
        lambda: assessments.remove(other, name, one.id),
        lambda: traces.link(other, run, [name]),
    ):
        with pytest.raises(NotFound):
            attempt()
    before = lab.rows("read")
    assert assessments.get(outside, name, two.id) == (two, True)
    assert lab.rows("read") == before + 1
    assert mine.fenced is not None
    lab.keys.erase([mine.fenced])
    with pytest.raises(Erased):
        assessments.get(outside, name, one.id)
    assert trace_reading.info(outside, name).assessments == []


def test_spans_of_a_fenced_call_are_under_its_runs_key_whoever_posts_them(
    lab: SealingLab, home: str
) -> None:
    mine, outside, trace = lab.fenced(), lab.visit(), new_id()
    traces.add(mine, home, [span(trace)])
    traces.add(outside, home, [span(trace, 2)])
    traces.tell(outside, told(trace, home, given=WORD))
    with lab.database.read() as tx:
        parts = tables.below(tx, f"spans:tr-{trace}")
    assert len(parts) == 3
    assert {part.owner for part in parts} == {mine.fenced}


def test_no_run_of_the_fence_sees_or_changes_the_trace_of_another(
    lab: SealingLab, home: str
) -> None:
    mine, other = lab.fenced(), lab.fenced()
    trace = new_id()
    traces.add(mine, home, [span(trace)])
    traces.tell(mine, told(trace, home, given="secret"))
    name = f"tr-{trace}"
    assert trace_reading.whole(other, [name]) == trace_reading.infos(other, [name]) == []
    assert trace_reading.search(other, [home]).found == []
    assert [one.trace.trace for one in trace_reading.search(mine, [home]).found] == [name]
    for attempt in (
        lambda: trace_reading.info(other, name),
        lambda: traces.add(other, home, [span(trace, 2)]),
        lambda: traces.tell(other, told(trace, home)),
        lambda: traces.set_tag(other, name, Note("a", "b")),
        lambda: traces.remove_tag(other, name, "mlflow.traceName"),
    ):
        with pytest.raises(NotFound):
            attempt()
    assert traces.delete(other, home, ids=[name]) == 0
    assert traces.delete(other, home, until_ms=2**50) == 0
    with lab.database.read() as tx:
        parts = tables.below(tx, f"spans:{name}")
    assert {part.owner for part in parts} == {mine.fenced}  # under the run's own key


def test_what_a_fence_kept_in_is_data_to_everybody_else(lab: SealingLab, home: str) -> None:
    mine = lab.fenced()
    trace = new_id()
    traces.add(mine, home, [span(trace)])
    traces.tell(mine, told(trace, home, given="secret", tags=(Note("a", "1"),)))
    looking = lab.visit("auditor")
    seen = trace_reading.info(looking, f"tr-{trace}")
    assert (seen.face.given, dict(seen.tags)["a"]) == (None, "1")
    with pytest.raises(NotAllowed):
        trace_reading.whole(looking, [f"tr-{trace}"])
    assert trace_reading.info(lab.visit(), f"tr-{trace}").face.given == "secret"
