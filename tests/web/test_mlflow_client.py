"""The unmodified client of MLflow against the real application, as scripts use it."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.tracking.lab import TrackingLab
from tests.tracking.server import TOKEN

pytestmark = pytest.mark.filterwarnings("ignore")  # of what MLflow imports


@pytest.fixture(scope="module")
def lab() -> Iterator[TrackingLab]:
    made = TrackingLab()
    yield made
    assert made.audit().findings == ()
    made.close()


@pytest.fixture
def rest(url: str) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {TOKEN}"}
    base = f"{url}/api/2.0/mlflow"
    with httpx.Client(base_url=base, headers=headers, trust_env=False, timeout=60) as client:
        yield client


def test_the_fluent_interface_logs_what_a_script_says(mlflow: Any) -> None:
    mlflow.set_experiment("flüent")
    with mlflow.start_run(run_name="outer", tags={"team": "a"}) as outer:
        mlflow.log_param("lr", 0.1)
        mlflow.log_params({"depth": 3, "näme": "ö" * 500})
        for step in range(5):
            mlflow.log_metric("loss", 1.0 / (step + 1), step=step)
        mlflow.log_metrics({"nan": math.nan, "inf": math.inf, "minus": -math.inf}, step=-3)
        mlflow.set_tags({"a": "1", "b": "2"})
        mlflow.delete_tag("b")
        with mlflow.start_run(nested=True) as inner:
            mlflow.log_metric("loss", 9)
    found = mlflow.get_run(outer.info.run_id)
    assert found.info.status == "FINISHED"
    assert found.info.end_time >= found.info.start_time
    assert found.data.params == {"lr": "0.1", "depth": "3", "näme": "ö" * 500}
    assert (found.data.metrics["loss"], found.data.metrics["inf"]) == (0.2, math.inf)
    assert math.isnan(found.data.metrics["nan"])
    assert found.data.tags["team"] == "a"
    assert "b" not in found.data.tags
    parent = mlflow.get_parent_run(inner.info.run_id)
    assert parent.info.run_id == outer.info.run_id
    table = mlflow.search_runs(
        experiment_names=["flüent"], filter_string="params.lr = '0.1' AND metrics.loss < 1"
    )
    assert list(table["run_id"]) == [outer.info.run_id]
    assert mlflow.last_active_run().info.run_id == outer.info.run_id


def test_a_failing_script_leaves_a_failed_run(mlflow: Any) -> None:
    with pytest.raises(ZeroDivisionError), mlflow.start_run(experiment_id="0") as run:
        mlflow.log_metric("a", 1 / 0)
    assert mlflow.get_run(run.info.run_id).info.status == "FAILED"


def test_asynchronous_logging_loses_nothing(mlflow: Any) -> None:
    with mlflow.start_run(experiment_id="0") as run:
        for step in range(300):
            mlflow.log_metric("m", step, step=step, synchronous=False)
        futures = [mlflow.log_params({f"p{n}": n}, synchronous=False) for n in range(20)]
        mlflow.set_tag("t", "x", synchronous=False)
        for future in futures:
            future.wait()
        mlflow.flush_async_logging()
    client = mlflow.MlflowClient()
    history = client.get_metric_history(run.info.run_id, "m")
    assert sorted(point.step for point in history) == list(range(300))
    assert len(client.get_run(run.info.run_id).data.params) == 20


def test_inputs_and_a_big_batch(mlflow: Any) -> None:
    from mlflow.data.dataset_source_registry import resolve_dataset_source
    from mlflow.data.meta_dataset import MetaDataset
    from mlflow.entities import Metric, Param, RunTag

    client = mlflow.MlflowClient()
    source = resolve_dataset_source("https://example.org/wards.csv", None)
    with mlflow.start_run(experiment_id="0") as run:
        mlflow.log_input(MetaDataset(source, name="wards"), context="training", tags={"a": "b"})
        batch = [Metric("m", n / 7, n, n % 13) for n in range(1000)]
        client.log_batch(run.info.run_id, batch)
        client.log_batch(run.info.run_id, [], [Param("p", "v")], [RunTag("t", "w")])
    found = client.get_run(run.info.run_id)
    ((dataset, tags),) = [(one.dataset, one.tags) for one in found.inputs.dataset_inputs]
    assert (dataset.name, dataset.source_type) == ("wards", "http")
    assert {tag.key: tag.value for tag in tags} == {"mlflow.data.context": "training", "a": "b"}
    assert len(client.get_metric_history(run.info.run_id, "m")) == 1000
    where = "dataset.name = 'wards' AND dataset.context = 'training'"
    assert len(client.search_runs(["0"], where)) == 1


def test_datasets_of_experiments_are_summed_up(mlflow: Any, rest: httpx.Client) -> None:
    from mlflow.data.http_dataset_source import HTTPDatasetSource
    from mlflow.data.meta_dataset import MetaDataset

    experiment = mlflow.set_experiment("summed up").experiment_id
    data = MetaDataset(HTTPDatasetSource("https://example.org/x"), name="wards", digest="d")
    for context in ("training", "training", "evaluation", None):
        with mlflow.start_run():
            mlflow.log_input(data, context=context)
    asked = {"experiment_ids": [experiment]}
    found = rest.post("/experiments/search-datasets", json=asked).json()
    uses = [
        (one["name"], one["digest"], one.get("context")) for one in found["dataset_summaries"]
    ]
    assert sorted(uses, key=str) == [
        ("wards", "d", "evaluation"),
        ("wards", "d", "training"),
        ("wards", "d", None),
    ]
    for wrong in ([], ["1"] * 21):
        asked = {"experiment_ids": wrong}
        answer = rest.post("/experiments/search-datasets", json=asked)
        assert answer.status_code == 400


def test_experiments_live_as_long_as_they_are_wanted(mlflow: Any) -> None:
    client = mlflow.MlflowClient()
    number = client.create_experiment("lived", tags={"a": "1"})
    client.set_experiment_tag(number, "b", "2")
    client.rename_experiment(number, "relived")
    found = client.get_experiment_by_name("relived")
    assert (found.experiment_id, found.tags) == (number, {"a": "1", "b": "2"})
    assert found.artifact_location == f"mlflow-artifacts:/{number}"
    assert client.get_experiment_by_name("lived") is None
    run = client.create_run(number)
    client.delete_experiment(number)
    assert client.get_run(run.info.run_id).info.lifecycle_stage == "deleted"
    names = [one.name for one in client.search_experiments(view_type=2)]
    assert names == ["relived"]
    client.restore_experiment(number)
    client.delete_run(run.info.run_id)
    assert client.search_runs([number]) == []
    client.restore_run(run.info.run_id)
    client.set_terminated(run.info.run_id, "KILLED", 5)
    assert client.get_run(run.info.run_id).info.end_time == 5
    with pytest.raises(mlflow.MlflowException, match="already exists") as caught:
        client.create_experiment("relived")
    assert caught.value.error_code == "RESOURCE_ALREADY_EXISTS"
    with pytest.raises(mlflow.MlflowException) as caught:
        client.get_run("f" * 32)
    assert caught.value.error_code == "RESOURCE_DOES_NOT_EXIST"


def test_pages_of_runs_join_to_all_of_them(mlflow: Any) -> None:
    client = mlflow.MlflowClient()
    number = client.create_experiment("paged")
    made = [client.create_run(number, start_time=n + 1).info.run_id for n in range(25)]
    found, token = [], None
    while True:
        page = client.search_runs([number], max_results=7, page_token=token)
        found += [run.info.run_id for run in page]
        token = page.token
        if not token:
            break
    assert found == made[::-1]


def test_fifty_clients_at_once(mlflow: Any, url: str) -> None:
    failures: list[BaseException] = []
    ids: list[str] = []

    def work(number: int) -> None:
        try:
            client = mlflow.MlflowClient(url)
            run = client.create_run("0", run_name=f"client {number}").info.run_id
            for step in range(5):
                client.log_metric(run, "m", step, step=step)
            client.log_param(run, "number", number)
            ids.append(run)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    client = mlflow.MlflowClient()
    assert {client.get_run(run).data.metrics["m"] for run in ids} == {4.0}
    assert len({client.get_run(run).data.params["number"] for run in ids}) == 50


def refused(answer: httpx.Response, status: int, code: str) -> str:
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert set(body) == {"error_code", "message"}
    assert body["error_code"] == code
    assert len(body["message"]) < 600
    return str(body["message"])


def test_bad_requests_are_refused_by_name(rest: httpx.Client) -> None:
    run = rest.post("/runs/create", json={"experiment_id": "0"}).json()["run"]["info"]["run_id"]
    invalid = (400, "INVALID_PARAMETER_VALUE")
    point = {"run_id": run, "key": "m", "value": 1, "timestamp": 1}
    for change, said in (
        ({"key": None}, "key"),
        ({"key": ""}, "key"),
        ({"value": None}, "value"),
        ({"value": "many"}, "value"),
        ({"value": True}, "value"),
        ({"value": "1e999"}, "value"),
        ({"timestamp": None}, "timestamp"),
        ({"timestamp": 1.5}, "timestamp"),
        ({"timestamp": -1}, "timestamp"),
        ({"step": 1 << 63}, "step"),
        ({"run_id": ""}, "run_id"),
        ({"run_id": "a/../b"}, "run_id"),
        ({"key": "a\u0000b"}, "key"),
    ):
        assert said in refused(rest.post("/runs/log-metric", json=point | change), *invalid)
    huge = {"run_id": run, "key": "t", "value": "x" * 10_000_000}
    assert "maximum length" in refused(rest.post("/runs/set-tag", json=huge), *invalid)
    many = {"run_id": run, "metrics": [{"key": "m", "value": 1.0, "timestamp": 1}] * 1001}
    assert "at most 1000" in refused(rest.post("/runs/log-batch", json=many), *invalid)
    nested = {"run_id": run, "metrics": [{"key": "m", "timestamp": 1}]}
    assert "metrics[0].value" in refused(rest.post("/runs/log-batch", json=nested), *invalid)
    for wrong in (
        {"metrics": {}},
        {"metrics": [1]},
        {"params": "x"},
        {"tags": [{"value": "x"}]},
    ):
        refused(rest.post("/runs/log-batch", json={"run_id": run} | wrong), *invalid)
    refused(rest.post("/runs/search", json={"experiment_ids": ["x"]}), *invalid)
    refused(rest.post("/runs/search", json={"max_results": 50_001}), *invalid)
    refused(rest.post("/runs/search", json={"run_view_type": "SOME"}), *invalid)
    refused(rest.post("/runs/search", json={"page_token": "e30="}), *invalid)
    refused(rest.post("/runs/update", json={"run_id": run, "status": "DONE"}), *invalid)
    refused(rest.get("/runs/get", params={"run_id": "f" * 32}), 404, "RESOURCE_DOES_NOT_EXIST")
    refused(rest.get("/runs/get"), *invalid)
    assert (
        rest.get("/runs/get", params={"run_uuid": run}).json()["run"]["data"]["metrics"] == []
    )


def test_numbers_come_as_numbers_or_as_words(rest: httpx.Client) -> None:
    run = rest.post("/runs/create", json={"experiment_id": "0"}).json()["run"]["info"]["run_id"]
    batch = [
        {"key": "a", "value": "NaN", "timestamp": "7", "step": "-2"},
        {"key": "a", "value": 1, "timestamp": 8.0, "step": 5},
        {"key": "b", "value": "-Infinity", "timestamp": 1},
    ]
    rest.post("/runs/log-batch", json={"runId": run, "metrics": batch}).raise_for_status()
    asked = {"run_id": run, "metric_key": "a"}
    found = rest.get("/metrics/get-history", params=asked).json()["metrics"]
    assert found == [
        {"key": "a", "value": "NaN", "timestamp": 7, "step": -2},
        {"key": "a", "value": 1.0, "timestamp": 8, "step": 5},
    ]
    bulk = {"run_ids": [run], "metric_key": "a", "max_results": 1}
    (last,) = rest.get("/metrics/get-history-bulk-interval", params=bulk).json()["metrics"]
    assert last == {"key": "a", "value": 1.0, "timestamp": 8, "step": 5, "run_id": run}
    together = rest.get("/metrics/get-history-bulk", params={"run_id": run, "metric_key": "b"})
    assert together.json()["metrics"][0]["value"] == "-Infinity"
