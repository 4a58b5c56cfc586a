"""Traces as the lab keeps them: sealed, cleaned, put together, seen by whom they concern."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cloister.core.errors import BadInput, Conflict, NotFound
from cloister.tracking import assessments as statements
from cloister.tracking.notes import Note
from cloister.workflows.tracking import (
    artifacts,
    assessments,
    experiments,
    purge,
    runs,
    trace_reading,
    traces,
)
from cloister.workflows.tracking.runs import NewRun
from cloister.workflows.tracking.traces import NewTrace
from cloister.workflows.tracking.visit import Visit
from tests.tracking.calls import SECOND_NS, child, new_id, span, told
from tests.tracking.conftest import ENGINES, new_uri
from tests.tracking.sealing import SealingLab, sealing_lab


@pytest.fixture(scope="module", params=ENGINES)
def lab(request: pytest.FixtureRequest) -> Iterator[SealingLab]:
    with sealing_lab(None if request.param == "sqlite" else new_uri(request)) as made:
        yield made


@pytest.fixture
def visit(lab: SealingLab) -> Visit:
    return lab.visit()


@pytest.fixture(scope="module")
def home(lab: SealingLab) -> str:
    return experiments.create(lab.visit(), "calls")


def test_spans_in_any_order_make_one_trace(visit: Visit, home: str) -> None:
    trace = new_id()
    traces.add(visit, home, [child(trace, 3)])
    begun = trace_reading.info(visit, f"tr-{trace}").trace
    assert (begun.state, begun.started_ms, begun.duration_ms) == ("IN_PROGRESS", 3000, 1000)
    traces.add(visit, home, [child(trace, 2), span(trace, endTimeUnixNano=str(9 * SECOND_NS))])
    ended = trace_reading.info(visit, f"tr-{trace}").trace
    assert (ended.state, ended.started_ms, ended.duration_ms) == ("OK", 1000, 8000)
    ((seen, bodies),) = trace_reading.whole(visit, [f"tr-{trace}"])
    assert [body["name"] for body in bodies] == ["call 1", "call 2", "call 3"]
    assert dict(seen.tags) == {"mlflow.traceName": "call 1"}


def test_a_span_that_comes_again_takes_the_place_of_the_first(visit: Visit, home: str) -> None:
    trace = new_id()
    for name in ("at first", "then"):
        traces.add(visit, home, [span(trace, name=name)])
    ((_, bodies),) = trace_reading.whole(visit, [f"tr-{trace}"])
    assert [body["name"] for body in bodies] == ["then"]


def test_what_its_client_says_at_the_end_holds(visit: Visit, home: str) -> None:
    trace = new_id()
    traces.add(visit, home, [span(trace)])
    said = {"given": '{"q": 1}', "gave": "2", "metadata": (Note("mlflow.traceInputs", "1"),)}
    traces.tell(visit, told(trace, home, state="ERROR", tags=(Note("a", "1"),), **said))
    traces.add(visit, home, [child(trace, 7)])  # late: it changes nothing else
    found = trace_reading.info(visit, f"tr-{trace}")
    assert (found.trace.state, found.trace.duration_ms) == ("ERROR", 2000)
    assert dict(found.tags) == {"a": "1", "mlflow.traceName": "call 1"}
    assert found.face == ('{"q": 1}', "2", (("mlflow.traceInputs", "1"),))
    assert len(trace_reading.whole(visit, [f"tr-{trace}"])[0][1]) == 2
    traces.tell(visit, told(trace, home, given="other"))
    assert trace_reading.info(visit, f"tr-{trace}").face.given == "other"


def test_a_trace_stays_in_its_experiment(visit: Visit, home: str) -> None:
    trace = new_id()
    traces.add(visit, home, [span(trace)])
    other = experiments.create(visit, f"other {trace}")
    with pytest.raises(Conflict):
        traces.add(visit, other, [span(trace)])
    with pytest.raises(Conflict):
        traces.tell(visit, told(trace, other))


def test_a_batch_is_kept_whole_or_not_at_all(
    lab: SealingLab, visit: Visit, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = new_id(), new_id()
    monkeypatch.setattr(traces, "MOST_SPAN_BYTES", 4096)
    before = lab.stored()
    with pytest.raises(BadInput, match="at most"):
        traces.add(visit, home, [span(first), span(second, name="x" * 5000)])
    assert trace_reading.infos(visit, [f"tr-{first}", f"tr-{second}"]) == []
    assert lab.stored() == before


def test_every_reading_is_on_record(lab: SealingLab, visit: Visit, home: str) -> None:
    mine = lab.fenced()
    trace = new_id()
    traces.add(mine, home, [span(trace)])

    before = lab.rows("read")
    trace_reading.info(visit, f"tr-{trace}")  # nothing sealed is shown of it
    assert lab.rows("read") == before
    trace_reading.whole(visit, [f"tr-{trace}"])
    assert lab.rows("read") == before + 1
    with lab.database.read() as tx:
        (last,) = tx.query("SELECT purpose, run FROM read ORDER BY begun DESC LIMIT 1")
    assert last == ("trace", mine.fenced)


def test_no_address_of_an_artifact_leads_to_the_spans(visit: Visit, home: str) -> None:
    trace = new_id()
    traces.add(visit, home, [span(trace)])
    for holder in (f"spans:tr-{trace}", f"spans%3Atr-{trace}"):
        with pytest.raises(NotFound):
            artifacts.get(visit, f"{home}/{holder}/artifacts/000000")
        with pytest.raises(NotFound):
            artifacts.entries(visit, f"{home}/traces/{holder}/artifacts")
    assert artifacts.entries(visit, f"{home}/traces/tr-{trace}/artifacts") == []


def test_a_purged_run_takes_its_traces_along(lab: SealingLab, home: str) -> None:
    visit, admin = lab.visit(), lab.visit("admin")
    before = lab.stored()
    run = runs.create(visit, NewRun(home)).run.run
    trace = new_id()
    traces.add(visit, home, [span(trace)], run)
    traces.tell(visit, told(trace, home, given="x"))
    artifacts.put(visit, f"{home}/traces/tr-{trace}/artifacts/picture.png", [b"png"])
    said = {"assessment_name": "good", "feedback": {"value": 1}}
    assessments.create(visit, f"tr-{trace}", assessments.read(visit, said))
    assert lab.stored() == before + 4
    runs.delete(visit, run)
    planned = purge.plan(admin, [run])
    assert planned.files == 4
    assert purge.purge(admin, planned) == planned
    assert lab.stored() == before
    with pytest.raises(NotFound):
        trace_reading.info(visit, f"tr-{trace}")


def test_what_is_said_of_a_trace_and_its_links_go_with_it(
    lab: SealingLab, visit: Visit, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin, before = lab.visit("admin"), lab.stored()
    run = runs.create(visit, NewRun(home)).run.run
    names = [f"tr-{new_id()}" for _ in range(2)]
    said = {"assessment_name": "good", "feedback": {"value": 1}}
    monkeypatch.setattr(statements, "MOST", 2)
    for name in names:
        traces.tell(visit, told(name[3:], home))
        made = [
            assessments.create(visit, name, assessments.read(visit, said)) for _ in range(2)
        ]
        with pytest.raises(BadInput, match="at most 2"):
            assessments.create(visit, name, assessments.read(visit, said))
        with pytest.raises(Conflict):
            assessments.create(visit, name, made[0])
        assert len(trace_reading.info(visit, name).assessments) == 2
    assessments.remove(visit, names[0], made[0].id)  # of another trace
    traces.link(visit, run, names)
    traces.link(visit, run, names[:1])
    of_run = {"filter_string": f"attributes.run_id IN ('{run}')"}
    assert len(trace_reading.search(visit, [home], **of_run).found) == 2
    assert lab.rows("track_trace_link") == 2
    assert lab.stored() == before + 4
    assert traces.delete(visit, home, ids=names[:1]) == 1
    assert (lab.rows("track_trace_link"), lab.stored()) == (1, before + 2)
    runs.delete(visit, run)
    purge.purge(admin, purge.plan(admin, [run]))
    assert lab.rows("track_trace_link") == 0
    assert len(trace_reading.info(visit, names[1]).assessments) == 2  # it was not called there
    with pytest.raises(NotFound):
        artifacts.get(visit, f"{home}/assessments:{names[1]}/artifacts/{made[0].id}")
    assert traces.delete(visit, home, ids=names[1:]) == 1
    assert lab.stored() == before


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"until_ms": 1, "ids": ["tr-1"]},
        {"until_ms": 1, "most": 0},
        {"most": 3, "ids": ["tr-1"]},
    ],
)
def test_deleting_needs_ids_or_a_time(visit: Visit, home: str, asked: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        traces.delete(visit, home, **asked)


@pytest.mark.parametrize(
    ("clause", "count"),
    [
        ("attributes.status = 'OK'", 2),
        ("status IN ('ERROR')", 1),
        ("timestamp_ms >= 2000 AND timestamp_ms < 3000", 1),
        ("execution_time_ms > 50", 2),
        ("end_time_ms > 3000", 1),
        ("trace.request_id = 'tr-f2'", 1),
        ("client_request_id LIKE 'cli%'", 3),
        ("tags.n = '2'", 1),
        ("tags.n != '2'", 2),
        ("tags.`odd name` IS NULL", 2),
        ("tags.`odd name` IS NOT NULL", 1),
        ("metadata.m ILIKE 'A%'", 1),
        ("request_metadata.m IN ('Abc', 'x')", 1),
        ("name = 'b' AND tags.n = '2'", 1),
        ("run_id = 'nothing'", 0),
    ],
)
def test_a_filter_finds_what_matches(
    lab: SealingLab, searched: str, clause: str, count: int
) -> None:
    found = trace_reading.search(lab.visit(), [searched], clause).found
    assert len(found) == count


@pytest.fixture(scope="module")
def searched(lab: SealingLab) -> str:
    visit = lab.visit()
    number = experiments.create(visit, "searched")
    for each in (1, 2, 3):
        tags = [Note("n", str(each)), Note("mlflow.traceName", "abc"[each - 1])]
        extra = (Note("odd name", "1"),) if each == 3 else ()
        new = NewTrace(
            trace=f"tr-f{each}",
            experiment=number,
            started_ms=1000 * each,
            duration_ms=(10, 60, 110)[each - 1],
            state="ERROR" if each == 1 else "OK",
            client=f"client {each}",
            metadata=(Note("m", "Abc"),) if each == 2 else (),
            tags=(*tags, *extra),
        )
        traces.tell(visit, new)
    return number


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ([], "321"),
        (["timestamp_ms ASC"], "123"),
        (["attributes.status ASC", "timestamp ASC"], "123"),
        (["execution_time DESC"], "321"),
        (["tags.`odd name` ASC"], "321"),
        (["metadata.m"], "231"),
        (["name"], "123"),
    ],
)
def test_an_order_is_kept(lab: SealingLab, searched: str, order: list[str], names: str) -> None:
    found = trace_reading.search(lab.visit(), [searched], order_by=order).found
    assert "".join(one.trace.trace[-1] for one in found) == names


@pytest.mark.parametrize(
    "clause",
    [
        "trace.text LIKE '%x%'",
        "span.name = 'x'",
        "feedback.good = 'yes'",
        "metadata.`mlflow.traceInputs` LIKE '%x%'",
        "status > 'OK'",
        "timestamp LIKE '1'",
        "nonsense = '1'",
        "params.x = '1'",
        "name RLIKE 'x'",
    ],
)
def test_what_cannot_be_searched_is_refused(
    lab: SealingLab, searched: str, clause: str
) -> None:
    with pytest.raises(BadInput):
        trace_reading.search(lab.visit(), [searched], clause)
    with pytest.raises(BadInput):
        trace_reading.search(lab.visit(), [], clause)
