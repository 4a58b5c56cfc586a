"""The door in the fence: MLflow's own client inside ``cloister run``, with nothing set up."""

from __future__ import annotations

import re

import pytest

from tests.cli.gateway import gateway
from tests.conftest import Shell

SCRIPT = """
import mlflow
mlflow.set_experiment("ward 3")
with mlflow.start_run(run_name="outer") as run:
    mlflow.log_params({"lr": 0.1, "depth": 3})
    for step in range(30):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
    with mlflow.start_run(nested=True):
        mlflow.log_metric("loss", 2)
found = mlflow.search_runs(experiment_names=["ward 3"])
assert len(found) == 2, found
print("tracked", run.info.run_id)
"""
LEFT_OPEN = """
import os, sys
import mlflow
mlflow.start_run(run_name="left open")
sys.stdout.flush()
os._exit(int(sys.argv[1]))
"""
HALF_WAY = """
import time
import mlflow
with mlflow.start_run(run_name="half way") as run:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
    there = get_artifact_repository(run.info.artifact_uri)
    open("f", "w").write("x" * 1000)
    begun = there.create_multipart_upload("f", 2)
    there._upload_part(begun.credentials[0], "f", 500, 0)
    print("half way", flush=True)
    time.sleep(600)
"""
QUIET = """
import mlflow
with mlflow.start_run():
    mlflow.log_metric("loss", 1)
open("done.txt", "w").write("done")
"""
TRACED = """
import os
os.environ["MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD"] = "true"
os.environ["MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE"] = "1000"
os.environ["MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE"] = "1000"
import mlflow
@mlflow.trace
def answer(question):
    with mlflow.start_span("look up") as span:
        span.set_inputs({"question": question})
    return question + "!"
with mlflow.start_run() as run:
    answer("why")
    mlflow.log_text("weights" * 1000, "weights.txt")  # in seven parts
assert mlflow.artifacts.load_text(f"{run.info.artifact_uri}/weights.txt") == "weights" * 1000
mlflow.flush_trace_async_logging(terminate=True)
(found,) = mlflow.search_traces(run_id=run.info.run_id, return_type="list")
assert [span.name for span in found.data.spans] == ["answer", "look up"], found
mlflow.set_trace_tag(found.info.trace_id, "ward", "3")
print("traced", found.info.trace_id)
"""
HARD_CODED = """
import mlflow
mlflow.set_tracking_uri("http://localhost:5000")
mlflow.set_experiment("named by hand")
with mlflow.start_run():
    mlflow.log_metric("loss", 1)
"""


def test_an_unchanged_script_tracks_inside_the_fence(scans: Shell) -> None:
    (scans.folder / "train.py").write_text(SCRIPT)
    command = ("run", "--data", "data1", "--", "python", "-W", "ignore", "train.py")
    done = scans(*command)
    assert "0 attempts to reach the network" in done.stderr
    (tracked,) = re.findall(r"^tracked ([0-9a-f]{32})$", done.stdout, re.MULTILINE)
    (fenced,) = re.findall(r"^(run_\w+) finished", done.stderr, re.MULTILINE)
    with gateway(scans) as up, up.client() as client:
        found = client.get("/api/2.0/mlflow/runs/get", params={"run_id": tracked}).json()
    run = found["run"]
    assert (run["info"]["status"], run["info"]["run_name"]) == ("FINISHED", "outer")
    tags = {tag["key"]: tag["value"] for tag in run["data"]["tags"]}
    assert tags["cloister.fence"] == fenced
    ((dataset),) = (one["dataset"] for one in run["inputs"]["dataset_inputs"])
    assert (dataset["source_type"], dataset["source"]) == ("cloister", "data1@1")
    ((loss),) = run["data"]["metrics"]
    assert (loss["key"], loss["step"]) == ("loss", 29)
    scans("audit")


def test_a_traced_call_and_a_file_in_parts_are_kept_with_their_run(scans: Shell) -> None:
    (scans.folder / "train.py").write_text(TRACED)
    done = scans("run", "--data", "data1", "--", "python", "-W", "ignore", "train.py")
    (traced,) = re.findall(r"^traced (tr-[0-9a-f]{32})$", done.stdout, re.MULTILINE)
    with gateway(scans) as up, up.client() as client:
        found = client.get("/api/3.0/mlflow/traces/get", params={"trace_id": traced}).json()
    trace = found["trace"]
    assert trace["trace_info"]["response_preview"] == '"why!"'
    assert trace["trace_info"]["tags"]["ward"] == "3"
    assert [span["name"] for span in trace["spans"]] == ["answer", "look up"]
    scans("audit")


def test_a_script_that_names_mlflows_own_address_finds_the_door(lab: Shell) -> None:
    (lab.folder / "train.py").write_text(HARD_CODED)
    lab("run", "--", "python", "-W", "ignore", "train.py")


def test_what_a_job_left_open_ends_with_it(lab: Shell) -> None:
    (lab.folder / "train.py").write_text(LEFT_OPEN)
    for status in (0, 3):
        lab("run", "--", "python", "-W", "ignore", "train.py", str(status), status=status)
    with gateway(lab) as up, up.client() as client:
        found = client.post("/api/2.0/mlflow/runs/search", json={"experiment_ids": ["0"]})
    ended = [(one["info"]["status"], "end_time" in one["info"]) for one in found.json()["runs"]]
    assert ended == [("FAILED", True), ("FINISHED", True)]
    lab("audit")


def test_what_a_killed_run_left_open_ends_killed_and_half_a_file_is_gone(lab: Shell) -> None:
    (lab.folder / "train.py").write_text(HALF_WAY)
    process = lab.start("run", "--", "python", "-W", "ignore", "train.py")
    assert process.stdout is not None
    assert any("half way" in line for line in process.stdout)
    process.kill()
    process.communicate()
    lab("ls", "--runs")  # whoever comes next puts on record what became of it
    assert lab.json("ls", "--runs")[-1]["state"] == "interrupted"
    with gateway(lab) as up, up.client() as client:
        found = client.post("/api/2.0/mlflow/runs/search", json={"experiment_ids": ["0"]})
    ((info, name),) = ((one["info"], one["info"]["run_name"]) for one in found.json()["runs"])
    assert (info["status"], name, "end_time" in info) == ("KILLED", "half way", True)
    for table in ("track_upload", "track_artifact"):
        assert lab.sql(f"SELECT COUNT(*) FROM {table}") == [(0,)]
    lab("audit")


@pytest.mark.slow
def test_a_script_that_tracks_is_reproduced(lab: Shell) -> None:
    (lab.folder / "train.py").write_text(QUIET)
    lab("run", "--", "python", "-W", "ignore", "train.py")
    assert "IDENTICAL" in lab("reproduce", "last").stdout
