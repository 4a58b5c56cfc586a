"""Claim: an erasure names every file that a fenced run of the subject's data logged, and flags
every model made of them: whoever registered it, whatever they said of where it is from, before
the erasure or after.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.cli.gateway import gateway
from tests.conftest import Shell, new_lab, write_scans

TRAIN = """
import mlflow
client = mlflow.MlflowClient()
with mlflow.start_run() as run:
    mlflow.log_text("weights", "model/weights.txt")
    mlflow.log_text("curve", "curve.txt")
    about = {"name": "m", "source_run_id": run.info.run_id}
    made = client.create_logged_model(run.info.experiment_id, **about)
    client.create_registered_model("ward")
    client.create_model_version("ward", f"{run.info.artifact_uri}/model", run.info.run_id)
print("tracked", run.info.run_id, made.model_id)
"""
API = "/api/2.0/mlflow"


@dataclass
class Story:
    """A lab in which somebody was erased after a run of theirs was tracked."""

    shell: Shell
    run: str = ""
    tracked: str = ""
    model: str = ""
    innocent: str = ""
    traced: dict[str, Any] = field(default_factory=dict)
    done: dict[str, Any] = field(default_factory=dict)


def register(client: httpx.Client, name: str, source: str, **said: str) -> dict[str, Any]:
    body = {"name": name, "source": source, **said}
    answer = client.post(f"{API}/model-versions/create", json=body)
    assert answer.status_code == 200, answer.text
    version: dict[str, Any] = answer.json()["model_version"]
    return version


def tags(of: dict[str, Any]) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in of.get("tags", [])}


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    with new_lab() as shell:
        write_scans(shell.folder / "scans", 3, 1)
        shell("add", "scans", "--subject-pattern", "^(P[0-9]+)/")
        (shell.folder / "train.py").write_text(TRAIN)
        told = Story(shell)
        job = shell("run", "--data", "data1", "--", "python", "-W", "ignore", "train.py")
        _, told.tracked, told.model = job.stdout.split()
        told.run = shell.json("ls", "--runs")[0]["run"]
        with gateway(shell) as up, up.client() as client:
            made = client.post(f"{API}/runs/create", json={"experiment_id": "0"}).json()
            told.innocent = made["run"]["info"]["run_id"]
            client.post(f"{API}/registered-models/create", json={"name": "other"})
            source = f"mlflow-artifacts:/0/{told.tracked}/artifacts/model"
            register(client, "other", source, run_id=told.innocent)  # a false claim
            register(client, "other", "models:/ward/1")
            register(client, "other", f"models:/{told.model}")
            register(client, "other", f"mlflow-artifacts:/0/{told.innocent}/artifacts")
        told.traced = shell.json("trace", "-", typed="P001\n")
        words = ("--reason", "withdrawn", "--yes")
        told.done = shell.json("erase", "-", *words, typed="P001\n")
        yield told


def test_every_model_of_its_files_is_tainted_and_no_other(story: Story) -> None:
    with gateway(story.shell) as up, up.client() as client:
        late = register(client, "ward", f"runs:/{story.tracked}/model")
        assert tags(late)["cloister.state"] == "TAINTED"
        found = client.get(f"{API}/model-versions/search").json()["model_versions"]
        run = client.get(f"{API}/runs/get", params={"run_id": story.tracked}).json()["run"]
        logged = client.get(f"{API}/logged-models/{story.model}").json()["model"]["info"]
        other = client.get(f"{API}/runs/get", params={"run_id": story.innocent}).json()["run"]
    states = {(one["name"], one["version"]): tags(one).get("cloister.state") for one in found}
    assert states.pop(("other", "4")) is None
    assert set(states.values()) == {"TAINTED"}
    assert len(states) == 5
    assert all("erased" in one["status_message"] for one in found if one["version"] != "4")
    assert tags(run["data"])["cloister.state"] == "TAINTED"
    assert tags(logged)["cloister.state"] == "TAINTED"
    assert "cloister.state" not in tags(other["data"])


def test_no_client_says_that_a_tainted_model_is_sound(story: Story) -> None:
    with gateway(story.shell) as up, up.client() as client:
        lie = {"name": "ward", "version": "1", "key": "cloister.state", "value": "sound"}
        client.post(f"{API}/model-versions/set-tag", json=lie).raise_for_status()
        asked = {"name": "ward", "version": "1"}
        found = client.get(f"{API}/model-versions/get", params=asked).json()["model_version"]
    said = [tag["value"] for tag in found["tags"] if tag["key"] == "cloister.state"]
    assert said == ["TAINTED"]


def test_the_certificate_names_every_file_and_model(story: Story) -> None:
    (run,) = story.traced["runs"]
    objects = [one["object"] for one in run["artifacts"] if one["holder"] == story.tracked]
    assert len(objects) == 2
    listed = hashlib.sha256("\n".join(sorted(objects)).encode()).hexdigest()
    remains = story.done["remains"]
    assert any(listed in what and story.tracked in what for what in remains)
    for named in (
        f"logged model {story.model} of {story.run}, tainted",
        f"version 1 of registered model 1, of what {story.run} logged, tainted",
        *(
            f"version {n} of registered model 2, of what {story.run} logged, tainted"
            for n in (1, 2, 3)
        ),
    ):
        assert named in remains
    assert not any("version 4" in what for what in remains)


def test_the_record_is_whole_and_the_bundle_verifies(story: Story) -> None:
    assert story.shell.json("audit")["whole"]
    story.shell("prove", story.done["operation"], "-o", "proof")
    (listed,) = (one for one in story.shell.json("ls", "--runs") if one["run"] == story.run)
    assert listed["state"] == "finished (tainted)"
