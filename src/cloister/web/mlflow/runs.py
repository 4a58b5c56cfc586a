"""Runs over MLflow's interface."""

from __future__ import annotations

from collections.abc import Iterable
from json.encoder import encode_basestring as quoted

from cloister.tracking.inputs import Inputs
from cloister.tracking.runs import TrackedRun
from cloister.web.mlflow import marks
from cloister.web.mlflow.codec import Message, Written, encode, missing, written, wrong
from cloister.web.mlflow.endpoint import Call, Deferred, Endpoint
from cloister.web.mlflow.experiments import pairs, view_of
from cloister.workflows.tracking import runs
from cloister.workflows.tracking.runs import NewRun
from cloister.workflows.tracking.seen import SeenRun

_STATUSES = {"1": "RUNNING", "2": "SCHEDULED", "3": "FINISHED", "4": "FAILED", "5": "KILLED"}
_PAGE = 1000
FENCE, UNFENCED = "cloister.fence", "unfenced"
"""A tag of every run, as clients read it."""


def create(call: Call) -> Deferred:
    """``runs/create``"""
    fields = call.fields
    new = NewRun(
        experiment=fields.text("experiment_id"),
        started_ms=fields.whole("start_time"),
        name=fields.text("run_name"),
        user_id=fields.text("user_id"),
        tags=tuple(pairs(fields.messages("tags"), "tags")),
    )
    return Deferred(runs.pending(call.visit, new), _whole)


def _whole(run: SeenRun) -> Written:
    return Written(f'{{"run":{shown(run)}}}')


def get(call: Call) -> Written:
    """``runs/get``"""
    return _whole(runs.get(call.visit, run_of(call.fields)))


def update(call: Call) -> Written:
    """``runs/update``"""
    fields = call.fields
    changed = runs.update(
        call.visit,
        run_of(fields),
        status=_status(fields),
        ended_ms=fields.whole("end_time") if fields.has("end_time") else None,
        name=fields.optional("run_name"),
    )
    return Written(f'{{"run_info":{info(changed)}}}')


def delete(call: Call) -> None:
    """``runs/delete``"""
    runs.delete(call.visit, call.fields.required("run_id"))


def restore(call: Call) -> None:
    """``runs/restore``"""
    runs.restore(call.visit, call.fields.required("run_id"))


def search(call: Call) -> Written:
    """``runs/search``"""
    fields = call.fields
    page = runs.search(
        call.visit,
        fields.texts("experiment_ids"),
        fields.text("filter"),
        view_of(fields, "run_view_type"),
        fields.whole("max_results", _PAGE),
        fields.texts("order_by"),
        fields.text("page_token"),
    )
    found = ",".join([shown(one) for one in page.found])
    token = f',"next_page_token":{quoted(page.next_token)}' if page.next_token else ""
    return Written(f'{{"runs":[{found}]{token}}}')


def run_of(fields: Message) -> str:
    """The run that is meant: ``run_uuid`` is what it was called before 2019."""
    run = fields.text("run_id") or fields.text("run_uuid")
    return run or missing("run_id")


def _status(fields: Message) -> str | None:
    said = fields.raw("status")
    if said is None:
        return None
    status = _STATUSES.get(str(said), str(said))
    return status if status in _STATUSES.values() else wrong("status", "a run's status", said)


def shown(one: SeenRun) -> str:
    """A run as clients read it, in JSON: of two thousand runs there are 50,000 small parts."""
    metrics = [
        f'{{"key":{quoted(key)},"value":{written(value)},"timestamp":{time_ms},"step":{step}}}'
        for _, key, value, time_ms, step in one.metrics
    ]
    inputs, outputs = ("{}", "{}") if one.inputs is None else _given(one.inputs)
    return (
        f'{{"info":{info(one.run)},"data":{{"metrics":[{",".join(metrics)}],'
        f'"params":{_pairs(one.params)},"tags":{_pairs(_tags(one))}}},'
        f'"inputs":{inputs},"outputs":{outputs}}}'
    )


def _pairs(notes: Iterable[tuple[str, str]]) -> str:
    told = [f'{{"key":{quoted(name)},"value":{quoted(value)}}}' for name, value in notes]
    return f"[{','.join(told)}]"


def _tags(one: SeenRun) -> list[tuple[str, str]]:
    """What was set, and by which fenced run it was made: that, no client can set."""
    said: list[tuple[str, str]] = [note for note in one.tags if note[0] != FENCE]
    said.append((FENCE, one.run.fenced or UNFENCED))
    return marks.pairs(said, one.marks)


def info(run: TrackedRun) -> str:
    """What is known of a run beside what was logged, in JSON."""
    name = quoted(run.run)
    ended = "" if run.ended_ms is None else f',"end_time":{run.ended_ms}'
    return (
        f'{{"run_id":{name},"run_uuid":{name},"run_name":{quoted(run.name)},'
        f'"experiment_id":"{run.experiment}","user_id":{quoted(run.user_id)},'
        f'"status":{quoted(run.status)},"start_time":{run.started_ms},'
        f'"artifact_uri":{quoted(run.artifacts)},"lifecycle_stage":{quoted(run.stage)}{ended}}}'
    )


def _given(inputs: Inputs) -> tuple[str, str]:
    """What it read and what it made, in JSON."""
    datasets = []
    for dataset, tags in inputs.datasets:
        described = {
            "name": dataset.name,
            "digest": dataset.digest,
            "source_type": dataset.source_type,
            "source": dataset.source,
            "schema": dataset.layout,
            "profile": dataset.profile,
        }
        said = {key: value for key, value in described.items() if value is not None}
        about = [{"key": name, "value": value} for name, value in tags]
        datasets.append({"dataset": said, "tags": about})
    models_in = [{"model_id": link.model} for link in inputs.models_in]
    models_out = [{"model_id": link.model, "step": link.step} for link in inputs.models_out]
    read = encode({"dataset_inputs": datasets, "model_inputs": models_in})
    return read.decode(), encode({"model_outputs": models_out}).decode()


ENDPOINTS = (
    Endpoint("POST", "/2.0/mlflow/runs/create", create, gathers=True),
    Endpoint("GET", "/2.0/mlflow/runs/get", get),
    Endpoint("POST", "/2.0/mlflow/runs/update", update),
    Endpoint("POST", "/2.0/mlflow/runs/delete", delete),
    Endpoint("POST", "/2.0/mlflow/runs/restore", restore),
    Endpoint("POST", "/2.0/mlflow/runs/search", search),
)
