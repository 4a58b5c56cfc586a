"""Models by MLflow's own client: logged, found, registered, loaded, and really deleted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.tracking.sealing import SealingLab, sealing_lab

pytestmark = pytest.mark.filterwarnings("ignore")  # of what MLflow imports


@pytest.fixture(scope="module")
def lab() -> Iterator[SealingLab]:
    with sealing_lab() as made:
        yield made


def doubling(mlflow: Any) -> Any:
    class Doubling(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            return [2 * each for each in model_input["x"]]

    return Doubling()


def logged(mlflow: Any, **said: Any) -> Any:
    """A model that doubles, logged in the run that is active."""
    return mlflow.pyfunc.log_model(
        name="doubling", python_model=doubling(mlflow), pip_requirements=[], **said
    )


def doubles(mlflow: Any, uri: str) -> list[int]:
    import pandas as pd

    found: list[int] = mlflow.pyfunc.load_model(uri).predict(pd.DataFrame({"x": [1, 2]}))
    return found


def test_a_model_is_logged_found_and_loaded(mlflow: Any) -> None:
    mlflow.set_experiment("models")
    with mlflow.start_run() as run:
        mlflow.log_param("depth", 3)
        info = logged(mlflow, params={"lr": "0.1"}, tags={"team": "a"}, model_type="toy")
        mlflow.log_metric("auc", 0.9, step=1, model_id=info.model_id)
        mlflow.log_metrics({"loss": 0.25, "f1": 0.5}, step=2, model_id=info.model_id)
    found = mlflow.get_logged_model(info.model_id)
    assert (found.name, found.model_type, found.status.value) == ("doubling", "toy", "READY")
    assert found.source_run_id == run.info.run_id
    assert found.params["lr"] == "0.1"
    assert found.tags["team"] == "a"
    assert {each.key: each.value for each in found.metrics} == {
        "auc": 0.9,
        "loss": 0.25,
        "f1": 0.5,
    }
    (made,) = mlflow.get_run(run.info.run_id).outputs.model_outputs
    assert made.model_id == info.model_id
    for uri in (
        f"models:/{info.model_id}",
        f"runs:/{run.info.run_id}/doubling",
        info.model_uri,
    ):
        assert doubles(mlflow, uri) == [2, 4]
    client = mlflow.MlflowClient()
    client.set_logged_model_tags(info.model_id, {"b": "2"})
    client.delete_logged_model_tag(info.model_id, "team")
    assert mlflow.get_logged_model(info.model_id).tags["b"] == "2"
    assert "team" not in mlflow.get_logged_model(info.model_id).tags
    names = [one.path for one in client.list_logged_model_artifacts(info.model_id)]
    assert "MLmodel" in names
    listed = [one.path for one in client.list_artifacts(run.info.run_id, "doubling")]
    assert "doubling/MLmodel" in listed


def test_models_are_searched_as_mlflow_does(mlflow: Any) -> None:
    number = mlflow.set_experiment("searched").experiment_id
    made = []
    for n in range(5):
        with mlflow.start_run():
            model = mlflow.initialize_logged_model(
                name=f"m{n}", params={"n": str(n)}, tags={"even": str(n % 2 == 0)}
            )
            mlflow.log_metric("auc", n / 10, model_id=model.model_id)
            if n:
                mlflow.finalize_logged_model(model.model_id, "READY")
            made.append(model.model_id)

    def search(where: str, **more: Any) -> list[str]:
        found = mlflow.search_logged_models(
            experiment_ids=[number], filter_string=where, output_format="list", **more
        )
        return [model.name for model in found]

    assert search("") == ["m4", "m3", "m2", "m1", "m0"]
    assert search("metrics.auc > 0.15 AND tags.even = 'True'") == ["m4", "m2"]
    assert search("params.n IN ('1', '3')") == ["m3", "m1"]
    assert search("name LIKE 'm%' AND status = 'PENDING'") == ["m0"]
    assert search("model_id != 'x' AND creation_timestamp > 0", max_results=2) == ["m4", "m3"]
    by_auc = [{"field_name": "metrics.auc", "ascending": True}]
    assert search("", order_by=by_auc) == ["m0", "m1", "m2", "m3", "m4"]
    with pytest.raises(mlflow.MlflowException) as caught:
        search("metrics.auc = 'x'")
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"
    page = mlflow.MlflowClient().search_logged_models([number], max_results=3)
    rest = mlflow.MlflowClient().search_logged_models(
        [number], max_results=3, page_token=page.token
    )
    assert [one.model_id for one in [*page, *rest]] == made[::-1]


def test_a_deleted_model_does_not_load(mlflow: Any, lab: SealingLab) -> None:
    mlflow.set_experiment("models")
    before = lab.stored()
    with mlflow.start_run() as run:
        info = logged(mlflow)
    client = mlflow.MlflowClient()
    assert lab.stored() > before
    client.delete_run(run.info.run_id)
    for uri in (
        info.model_uri,
        f"models:/{info.model_id}",
        f"runs:/{run.info.run_id}/doubling",
    ):
        with pytest.raises(
            (mlflow.MlflowException, requests.HTTPError),
            match=r"404|not found|Failed to download",
        ):
            doubles(mlflow, uri)
    client.restore_run(run.info.run_id)
    assert doubles(mlflow, info.model_uri) == [2, 4]
    client.delete_logged_model(info.model_id)
    with pytest.raises((mlflow.MlflowException, requests.HTTPError), match="not found"):
        doubles(mlflow, info.model_uri)
    with pytest.raises(mlflow.MlflowException) as caught:
        mlflow.get_logged_model(info.model_id)
    assert caught.value.error_code == "RESOURCE_DOES_NOT_EXIST"
    assert lab.stored() == before


def test_autolog_of_scikit_learn(mlflow: Any, tmp_path: Path) -> None:
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    x, y = load_iris(return_X_y=True)
    mlflow.set_experiment("autolog")
    mlflow.sklearn.autolog(log_input_examples=True, silent=True)
    try:
        with mlflow.start_run() as run:
            model = GridSearchCV(LogisticRegression(max_iter=500), {"C": [0.1, 1.0]}, cv=2)
            model.fit(x, y)
            score = model.score(x, y)
    finally:
        mlflow.sklearn.autolog(disable=True)
    found = mlflow.get_run(run.info.run_id)
    assert found.data.params["best_C"] in {"0.1", "1.0"}
    assert found.data.metrics["training_score"] == pytest.approx(score)
    children = mlflow.search_runs(
        experiment_names=["autolog"],
        filter_string=f"tags.mlflow.parentRunId = '{run.info.run_id}'",
    )
    assert len(children) == 2
    best = mlflow.sklearn.load_model(f"runs:/{run.info.run_id}/best_estimator")
    assert list(best.predict(x)) == list(model.predict(x))
    names = [one.path for one in mlflow.MlflowClient().list_artifacts(run.info.run_id)]
    assert "training_confusion_matrix.png" in names


def test_a_registered_model_is_loaded_by_alias_and_by_stage(mlflow: Any) -> None:
    mlflow.set_experiment("registered")
    client = mlflow.MlflowClient()
    for _ in range(2):
        with mlflow.start_run() as run:
            info = logged(mlflow, registered_model_name="ward")
    with mlflow.start_run() as last:
        mlflow.register_model(logged(mlflow).model_uri, "ward", tags={"by": "hand"})
    client.set_registered_model_alias("ward", "champion", "2")
    client.set_registered_model_tag("ward", "team", "a")
    client.set_model_version_tag("ward", "1", "old", "yes")
    client.update_model_version("ward", "1", "the first")
    client.update_registered_model("ward", "for the ward")
    client.transition_model_version_stage("ward", "1", "production")
    client.transition_model_version_stage("ward", "3", "Production", True)
    found = client.get_registered_model("ward")
    assert (found.aliases, found.tags) == ({"champion": "2"}, {"team": "a"})
    assert found.description == "for the ward"
    stages = {each.version: each.current_stage for each in client.search_model_versions()}
    assert stages == {"1": "Archived", "2": "None", "3": "Production"}
    assert [one.version for one in client.get_latest_versions("ward", ["Production"])] == ["3"]
    for uri in ("models:/ward@champion", "models:/ward/1", "models:/ward/latest"):
        assert doubles(mlflow, uri) == [2, 4]
    second = client.get_model_version_by_alias("ward", "champion")
    assert (second.run_id, second.source) == (run.info.run_id, info.model_uri)
    assert second.aliases == ["champion"]
    third = client.get_model_version("ward", "3")
    assert (third.run_id, third.tags) == (last.info.run_id, {"by": "hand"})
    where = f"run_id = '{run.info.run_id}'"
    assert [one.version for one in client.search_model_versions(where)] == ["2"]
    assert [one.version for one in client.search_model_versions("tags.old = 'yes'")] == ["1"]
    assert len(client.search_model_versions("name = 'ward' AND version_number > 1")) == 2
    client.delete_registered_model_alias("ward", "champion")
    with pytest.raises(mlflow.MlflowException):
        doubles(mlflow, "models:/ward@champion")
    client.rename_registered_model("ward", "station")
    assert doubles(mlflow, "models:/station/2") == [2, 4]
    assert client.search_registered_models("name LIKE 'sta%'")[0].name == "station"


def test_what_is_deleted_from_the_registry_does_not_load(mlflow: Any) -> None:
    mlflow.set_experiment("registered")
    client = mlflow.MlflowClient()
    with mlflow.start_run() as run:
        logged(mlflow, registered_model_name="gone")
        logged(mlflow, registered_model_name="gone")
    client.set_registered_model_alias("gone", "it", "2")
    gone = (mlflow.MlflowException, requests.HTTPError)
    client.delete_run(run.info.run_id)  # stock MLflow still loads it
    for uri in ("models:/gone/1", "models:/gone@it"):
        with pytest.raises(gone):
            doubles(mlflow, uri)
    client.restore_run(run.info.run_id)
    assert doubles(mlflow, "models:/gone/1") == [2, 4]
    client.delete_model_version("gone", "2")
    for uri in ("models:/gone/2", "models:/gone@it"):
        with pytest.raises(gone):
            doubles(mlflow, uri)
    with mlflow.start_run():
        logged(mlflow, registered_model_name="gone")
    assert [one.version for one in client.search_model_versions("name='gone'")] == ["3", "1"]
    client.delete_registered_model("gone")
    with pytest.raises(gone):
        doubles(mlflow, "models:/gone/1")
    client.create_registered_model("gone")
    assert client.search_model_versions("name='gone'") == []


def test_the_registry_refuses_by_name(mlflow: Any) -> None:
    client = mlflow.MlflowClient()
    client.create_registered_model("taken", tags={"a": "1"})

    def refused(code: str, call: Any, *words: Any) -> None:
        with pytest.raises(mlflow.MlflowException) as caught:
            call(*words)
        assert caught.value.error_code == code

    refused("RESOURCE_ALREADY_EXISTS", client.create_registered_model, "taken")
    refused("RESOURCE_DOES_NOT_EXIST", client.get_registered_model, "missing")
    refused("RESOURCE_DOES_NOT_EXIST", client.get_model_version, "taken", "7")
    refused("RESOURCE_DOES_NOT_EXIST", client.set_registered_model_alias, "taken", "a", "7")
    bad = "INVALID_PARAMETER_VALUE"
    for source in (
        "s3://bucket/model",
        "/etc",
        "file:///etc",
        "mlflow-artifacts:/../../etc",
        "mlflow-artifacts:/0/%2e%2e/x",
        "models:/taken/x",
    ):
        refused(bad, client._get_registry_client().store.create_model_version, "taken", source)
    refused(bad, client.search_registered_models, "name = ward")
    refused(bad, client.search_model_versions, "colour = 'red'")
    refused(bad, client.search_model_versions, None, 100, ["colour"])
    refused(bad, client.transition_model_version_stage, "taken", "1", "moon")


def test_a_prompt_has_versions_an_alias_and_a_newest_and_is_really_deleted(mlflow: Any) -> None:
    prompts, client = mlflow.genai, mlflow.MlflowClient()
    prompts.register_prompt(name="greet", template="Hello {{name}}", tags={"team": "a"})
    prompts.register_prompt(name="greet", template="Hi {{name}}", commit_message="shorter")
    prompts.register_prompt(name="ask", template=[{"role": "user", "content": "{{question}}"}])
    prompts.set_prompt_alias("greet", "live", 1)
    assert prompts.load_prompt("prompts:/greet@live").format(name="Ada") == "Hello Ada"
    newest = prompts.load_prompt("prompts:/greet@latest")
    assert (newest.version, newest.template) == (2, "Hi {{name}}")
    assert {each.name for each in prompts.search_prompts()} >= {"greet", "ask"}
    assert "greet" not in {each.name for each in client.search_registered_models()}
    client.delete_prompt_version("greet", "2")
    assert prompts.load_prompt("prompts:/greet@latest", cache_ttl_seconds=0).version == 1
    client.delete_prompt_version("greet", "1")
    client.delete_prompt("greet")
    assert (
        prompts.load_prompt("prompts:/greet/1", allow_missing=True, cache_ttl_seconds=0) is None
    )
