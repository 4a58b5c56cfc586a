"""Assessments of traces, and traces of several runs, by MLflow's own client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.tracking.sealing import SealingLab, sealing_lab
from tests.tracking.server import TOKEN

pytestmark = pytest.mark.filterwarnings("ignore")  # of what MLflow imports


@pytest.fixture(scope="module")
def lab() -> Iterator[SealingLab]:
    with sealing_lab() as made:
        yield made


def called(mlflow: Any) -> str:
    with mlflow.start_span("ask") as span:
        span.set_inputs({"question": "what of it"})
    return str(span.trace_id)


def said(trace: Any) -> dict[str, Any]:
    return {one.name: one.value for one in trace.info.assessments}


def test_feedback_and_expectations_stand_with_their_trace(traced: Any) -> None:
    experiment = traced.set_experiment("assessed").experiment_id
    name = called(traced)
    person = traced.entities.AssessmentSource("HUMAN", "dr")
    made = traced.log_feedback(
        trace_id=name, name="good", value=True, rationale="short", source=person,
        metadata={"round": "1"}, span_id="00f067aa0ba902b7",
    )  # fmt: skip
    values = {"number": 7.5, "text": "so", "list": [1, "a"], "deep": {"a": {"b": [None]}}}
    for key, value in values.items():
        traced.log_expectation(trace_id=name, name=key, value=value)
    traced.log_feedback(trace_id=name, name="failed", error=ValueError("too long"))
    trace = traced.get_trace(name)
    assert said(trace) == {"good": True, "failed": None, **values}
    assert traced.get_assessment(name, made.assessment_id) == made
    first = trace.info.assessments[0]
    assert (first, first.rationale, first.metadata) == (made, "short", {"round": "1"})
    assert (first.source.source_id, first.span_id) == ("dr", "00f067aa0ba902b7")
    assert trace.info.assessments[-1].error.error_message == "too long"
    for spans in (True, False):
        (found,) = traced.search_traces(
            locations=[experiment], return_type="list", include_spans=spans
        )
        assert found.info.assessments == trace.info.assessments


def test_an_assessment_is_changed_overridden_and_deleted(traced: Any) -> None:
    traced.set_experiment("changed")
    name = called(traced)
    made = traced.log_feedback(trace_id=name, name="good", value=0.5, metadata={"a": "1"})
    change = traced.entities.Feedback(
        name="better", value=0.75, rationale="again", metadata={"b": "2"}
    )
    now = traced.update_assessment(name, made.assessment_id, change)
    assert (now.name, now.value, now.rationale) == ("better", 0.75, "again")
    assert (now.metadata, now.source) == ({"a": "1", "b": "2"}, made.source)
    assert now.last_update_time_ms >= made.last_update_time_ms
    assert traced.get_assessment(name, made.assessment_id) == now
    wrong = traced.entities.Expectation(name="x", value=1)
    with pytest.raises(traced.exceptions.MlflowException, match="Cannot update expectation"):
        traced.update_assessment(name, made.assessment_id, wrong)
    other = traced.override_feedback(trace_id=name, assessment_id=made.assessment_id, value=1)
    assert (other.overrides, other.valid) == (made.assessment_id, True)
    assert traced.get_assessment(name, made.assessment_id).valid is False
    traced.delete_assessment(name, other.assessment_id)
    traced.delete_assessment(name, other.assessment_id)  # as MLflow has it: no error
    assert traced.get_assessment(name, made.assessment_id).valid is True
    with pytest.raises(traced.exceptions.MlflowException, match="not found"):
        traced.get_assessment(name, other.assessment_id)


def test_what_is_said_during_the_call_comes_with_it(traced: Any) -> None:
    traced.set_experiment("during")
    with traced.start_span("ask") as span:
        traced.log_expectation(trace_id=span.trace_id, name="right", value=[1])
    assert said(traced.get_trace(span.trace_id)) == {"right": [1]}


def test_a_trace_is_linked_to_runs_and_found_with_them(traced: Any) -> None:
    experiment = traced.set_experiment("linked").experiment_id
    with traced.start_run() as first:
        mine = called(traced)
    with traced.start_run() as second:
        pass
    client = traced.MlflowClient()
    alone = called(traced)
    for _ in range(2):  # twice is as once
        client.link_traces_to_run([mine, alone], second.info.run_id)

    def of_run(run: Any) -> set[str]:
        found = traced.search_traces(
            locations=[experiment], run_id=run.info.run_id, return_type="list"
        )
        return {one.info.trace_id for one in found}

    assert (of_run(first), of_run(second)) == ({mine}, {mine, alone})
    with pytest.raises(traced.exceptions.MlflowException, match="not found"):
        client.link_traces_to_run([f"tr-{'0' * 32}"], second.info.run_id)
    client.delete_traces(experiment, trace_ids=[alone])
    assert of_run(second) == {mine}


GOOD = {
    "assessment_name": "good",
    "source": {"source_type": "HUMAN", "source_id": "a"},
    "feedback": {"value": 1},
}


def nested(depth: int) -> list[Any]:
    return [nested(depth - 1)] if depth else []


@pytest.mark.parametrize(
    "change",
    [
        {"feedback": None},
        {"feedback": {}, "expectation": {"value": 2}},
        {"feedback": None, "issue": {"issue_name": "x"}},
        {"assessment_name": ""},
        {"assessment_name": "x" * 251},
        {"assessment_id": "sub_aaaaaaaaaaaaaaaa"},
        {"overrides": "../x"},
        {"source": {"source_type": "NOBODY"}},
        {"source": "HUMAN"},
        {"create_time": "yesterday"},
        {"metadata": {"a": 1}},
        {"rationale": "x" * (64 << 10)},
        {"feedback": {"value": nested(70)}},
        {"feedback": {"value": nested(400)}},
        {"feedback": None, "expectation": {"serialized_value": {"value": "{"}}},
    ],
)
def test_what_is_none_is_refused(traced: Any, url: str, change: dict[str, Any]) -> None:
    name = called(traced)
    answer = requests.post(
        f"{url}/api/3.0/mlflow/traces/{name}/assessments",
        json={"assessment": GOOD | change},
        headers={"authorization": f"Bearer {TOKEN}"},
        timeout=30,
    )
    assert answer.status_code == 400, answer.text
    assert answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"
    assert traced.get_trace(name).info.assessments == []


def test_what_is_not_there_is_not_found(traced: Any, url: str) -> None:
    name = called(traced)
    absent = f"a-{'0' * 32}"
    headers = {"authorization": f"Bearer {TOKEN}"}
    for trace, more, status in (
        (f"tr-{'0' * 32}", {}, 404),
        (name, {"overrides": absent}, 404),
        (name, {}, 200),
    ):
        answer = requests.post(
            f"{url}/api/3.0/mlflow/traces/{trace}/assessments",
            json={"assessment": GOOD | more},
            headers=headers,
            timeout=30,
        )
        assert answer.status_code == status, answer.text
    one = f"{url}/api/3.0/mlflow/traces/{name}/assessments/{absent}"
    assert requests.get(one, headers=headers, timeout=30).status_code == 404
    body = {"assessment": GOOD, "update_mask": "assessmentName"}
    assert requests.patch(one, json=body, headers=headers, timeout=30).status_code == 404
    masked = requests.patch(one, json=body | {"update_mask": "x"}, headers=headers, timeout=30)
    assert masked.status_code == 400
