"""`cloister import mlflow` and `cloister export-all`, as typed, against a stock MLflow."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Shell

# What a team has after a while: nested and deleted runs, odd texts, a dataset, a gap in steps.
FILL = """
import sys, mlflow, numpy
from mlflow.entities import Metric, Param, RunTag

ODD = "x: 'y' \\"z\\" # {a}\\n\\u2028 \\x85 \\U0001f600"
client = mlflow.MlflowClient(sys.argv[1])
mlflow.set_tracking_uri(sys.argv[1])
first = client.create_experiment("ward 3: θ", tags={"team": "imaging", "note": "two\\nlines"})
run = client.create_run(
    first, start_time=1700000000000, run_name="première", tags={"k": "v\\nw"})
metrics = [Metric("loss", 1 / (n + 1), 1700000000000 + n, n * 2) for n in range(1000)]
for start in range(0, 1000, 500):
    client.log_batch(run.info.run_id, metrics[start : start + 500])
odd = [("nan", float("nan")), ("high", float("inf")), ("low", float("-inf")), ("a/b", 1e-300)]
client.log_batch(run.info.run_id, [Metric(name, value, 5, -3) for name, value in odd],
                 [Param("rate", "0.1"), Param("deep/er", ODD)])
data = mlflow.data.from_numpy(numpy.zeros((3, 2)), name="scans")
with mlflow.start_run(run.info.run_id):
    mlflow.log_input(data, context="training")
import os
os.makedirs("art/deep", exist_ok=True)
for path, size in (("a.txt", 3), ("deep/b.bin", 3_000_000), ("deep/é ü.txt", 0)):
    open(f"art/{path}", "wb").write(os.urandom(size))
client.log_artifacts(run.info.run_id, "art")
client.log_artifacts(run.info.run_id, "art/deep", "again")
client.set_terminated(run.info.run_id, "FAILED", 1700000009999)
child = client.create_run(first, tags={"mlflow.parentRunId": run.info.run_id})
client.log_metric(child.info.run_id, "m", 2)
client.delete_run(child.info.run_id)
gone = client.create_experiment("gone")
client.create_run(gone)
client.delete_experiment(gone)
open_run = client.create_run("0", run_name="patient KX548213")
client.log_param(open_run.info.run_id, "file", "/scans/KX548213.dcm")
"""
READ = """
import sys, json, mlflow
mlflow.set_tracking_uri(sys.argv[1])
client = mlflow.MlflowClient()
found = {}
for one in client.search_experiments(view_type=3):
    runs = {}
    for run in client.search_runs([one.experiment_id], run_view_type=3):
        info = run.info
        history = {
            name: sorted({(p.step, p.timestamp, repr(p.value)) for p in
                          client.get_metric_history(info.run_id, name)})
            for name in run.data.metrics
        }
        given = [[i.dataset.name, i.dataset.digest, i.dataset.source_type, i.dataset.schema,
                  [[t.key, t.value] for t in i.tags]] for i in run.inputs.dataset_inputs]
        runs[info.run_id] = [info.run_name, info.status, info.start_time, info.end_time,
                             info.lifecycle_stage, info.user_id, run.data.params,
                             dict(sorted(run.data.tags.items())), history, given]
        import hashlib, pathlib
        runs[info.run_id].append({})
        alive = info.lifecycle_stage == "active" == one.lifecycle_stage
        if alive and client.list_artifacts(info.run_id):
            place = pathlib.Path(mlflow.artifacts.download_artifacts(run_id=info.run_id))
            runs[info.run_id][-1].update({
                str(path.relative_to(place)): hashlib.sha256(path.read_bytes()).hexdigest()
                for path in place.rglob("*") if path.is_file()
            })
    found[one.name] = [one.lifecycle_stage, one.tags, runs]
print("FOUND" + json.dumps(found, sort_keys=True))
"""


# What MLflow 3 has besides: logged models, a registry, traced calls; files of deleted runs.
FILL_MODELS = """
import os, sys, mlflow
mlflow.set_tracking_uri(sys.argv[1])
client = mlflow.MlflowClient()
home = mlflow.set_experiment("models").experiment_id
os.makedirs("weights/deep", exist_ok=True)
for path in ("w.bin", "deep/v.bin"):
    open(f"weights/{path}", "wb").write(os.urandom(100_000))
with mlflow.start_run(run_name="trained") as run:
    mlflow.log_artifacts("weights", "plain")
    model = client.create_logged_model(home, "net", source_run_id=run.info.run_id,
        tags={"team": "ä"}, params={"depth": "3"}, model_type="net")
    client.log_model_artifacts(model.model_id, "weights")
    client.finalize_logged_model(model.model_id, "READY")
    data = mlflow.data.from_numpy(__import__("numpy").zeros(3), name="scans")
    mlflow.log_metric("auc", 0.75, step=2, model_id=model.model_id, dataset=data)
    mlflow.log_metric("auc", 0.5, step=1, model_id=model.model_id)
    @mlflow.trace(name="ask", attributes={"deep": {"a": [1, 2.5, None, True]}, "n": 7})
    def ask(question):
        with mlflow.start_span("look up", span_type="RETRIEVER") as span:
            span.set_inputs({"query": question})
            span.add_event(mlflow.entities.SpanEvent("found", attributes={"n": 2}))
        if question == "bad":
            raise ValueError("no")
        return question
    ask("größe")
    try: ask("bad")
    except ValueError: pass
mlflow.flush_trace_async_logging(terminate=True)
name = mlflow.get_last_active_trace_id()
mlflow.set_trace_tag(name, "good", "no")
person = mlflow.entities.AssessmentSource("HUMAN", "Ä")
said = mlflow.log_feedback(trace_id=name, name="good", value=0.5, rationale="größe",
    source=person, metadata={"a": "1"}, span_id="00f067aa0ba902b7")
mlflow.override_feedback(trace_id=name, assessment_id=said.assessment_id, value=["no"])
mlflow.log_feedback(trace_id=name, name="late", error=ValueError("too long"))
mlflow.log_expectation(trace_id=name, name="right", value={"a": [1, None]})
client.create_registered_model("ward", tags={"a": "1"}, description="of ward 3")
client.create_model_version("ward", f"models:/{model.model_id}", run.info.run_id,
    tags={"b": "2"}, description="first", model_id=model.model_id)
for number in (2, 3):
    client.create_model_version("ward", f"{run.info.artifact_uri}/plain", run.info.run_id)
client.delete_model_version("ward", "2")
client.transition_model_version_stage("ward", "3", "Production")
client.set_registered_model_alias("ward", "champion", "3")
client.create_registered_model("empty")
with mlflow.start_run(run_name="gone") as gone:
    mlflow.log_artifacts("weights", "kept")
if sys.argv[1].startswith("sqlite"):  # a folder keeps no links
    client.link_traces_to_run([name], gone.info.run_id)
client.delete_run(gone.info.run_id)
"""
READ_MODELS = """
import sys, json, hashlib, pathlib, mlflow
mlflow.set_tracking_uri(sys.argv[1])
client = mlflow.MlflowClient()
def files(uri):
    place = pathlib.Path(mlflow.artifacts.download_artifacts(uri))
    return {str(path.relative_to(place)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in place.rglob("*") if path.is_file() and path.name != "meta.yaml"}
home = mlflow.get_experiment_by_name("models").experiment_id
logged = [[m.name, m.model_type, str(m.status), m.creation_timestamp, m.last_updated_timestamp,
           m.source_run_id, m.params, m.tags, m.model_id, files(m.artifact_location),
           sorted([x.key, x.value, x.step, x.timestamp, x.dataset_name, x.dataset_digest,
                   x.run_id] for x in m.metrics)]
          for m in client.search_logged_models([home])]
registry = {}
for name in ("ward", "empty"):
    m = client.get_registered_model(name)
    versions = [[v.version, v.run_id, v.description, v.current_stage, v.creation_timestamp,
                 v.last_updated_timestamp, v.tags, files(f"models:/{name}/{v.version}")]
                for v in client.search_model_versions(f"name = '{name}'")]
    registry[name] = [m.description, m.tags, m.creation_timestamp, m.last_updated_timestamp,
                      sorted(versions), {a: int(v) for a, v in m.aliases.items()}]
ours = {"mlflow.artifactLocation", "mlflow.trace.spansLocation", "mlflow.trace.infoFinalized"}
def plain(attributes):
    return {k: v for k, v in attributes.items()}
traces = {}
for one in client.search_traces(locations=[home]):
    i = one.info
    spans = sorted([s.name, s.span_id, s.parent_id, s.start_time_ns, s.end_time_ns, s.span_type,
              str(s.status.status_code), s.status.description, plain(s.attributes),
              [[e.name, e.timestamp, e.attributes] for e in s.events]] for s in one.data.spans)
    traces[i.trace_id] = [str(i.state), i.request_time, i.execution_duration, i.request_preview,
        i.response_preview, {k: v for k, v in i.tags.items() if k not in ours},
        {k: v for k, v in i.trace_metadata.items() if k not in ours}, spans,
        {a.assessment_id: {k: v for k, v in a.to_dictionary().items()
                           if k != "valid" or a.feedback}  # folders lose it of expectations
         for a in i.assessments}]
(gone,) = client.search_runs([home], run_view_type=2)
kept = files(gone.info.artifact_uri + "/kept")
print("FOUND" + json.dumps([logged, registry, traces, kept], sort_keys=True))
"""


def stock(script: str, uri: str, folder: Path) -> str:
    """What a script prints that talks to a stock MLflow alone."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "MLFLOW_ALLOW_FILE_STORE": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    done = subprocess.run(
        [sys.executable, "-c", script, uri],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def read(uri: str, folder: Path) -> dict[str, Any]:
    """Everything a stock client sees in a store."""
    found: dict[str, Any] = json.loads(stock(READ, uri, folder).rpartition("FOUND")[2])
    return found


@pytest.fixture(scope="module", params=["file", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store that a stock MLflow filled, in each of its forms."""
    folder = tmp_path_factory.mktemp("stock")
    forms = {"file": f"file://{folder}/mlruns", "sqlite": f"sqlite:///{folder}/mlflow.db"}
    uri = forms[request.param]
    stock(FILL, uri, folder)
    return uri


def as_brought(before: dict[str, Any]) -> dict[str, Any]:
    """What the lab adds and what it takes away: a mark of origin."""
    for _, _, runs in before.values():
        for run in runs.values():
            run[7] = dict(sorted((run[7] | {"cloister.imported": "mlflow"}).items()))
            run[8] = {
                name: [[step, time, endless(value)] for step, time, value in history]
                for name, history in run[8].items()
            }
    return before


def endless(value: str) -> str:
    """A database of MLflow keeps an infinity as the largest number there is."""
    return {"1.7976931348623157e+308": "inf", "-1.7976931348623157e+308": "-inf"}.get(
        value, value
    )


def test_a_store_comes_in_and_goes_out_whole(lab: Shell, store: str, tmp_path: Path) -> None:
    said = lab.json("import", "mlflow", store)
    assert (said["experiments"], said["runs"], said["points"]) == (3, 4, 1005)
    assert (said["artifacts"], said["elsewhere"], said["refused"]) == (5, 0, 0)
    given = lab.json("export-all", "out")
    assert (given["runs"], given["artifacts"], given["bytes"]) == (4, 5, 6_000_003)
    before = as_brought(read(store, tmp_path))
    after = read(f"file://{lab.folder}/out", tmp_path)
    assert after == before
    assert lab.json("audit")["whole"]


KINDS = ("logged models", "registry", "traces", "files of a deleted run")


@pytest.mark.parametrize("form", ["file", "sqlite"])
def test_models_traces_and_files_of_deleted_runs_come_in_and_go_out_whole(
    lab: Shell, form: str, tmp_path: Path
) -> None:
    forms = {"file": f"file://{tmp_path}/mlruns", "sqlite": f"sqlite:///{tmp_path}/mlflow.db"}
    uri = forms[form]
    stock(FILL_MODELS, uri, tmp_path)
    said = lab.json("import", "mlflow", uri)
    assert (said["models"], said["registered"], said["versions"]) == (1, 2, 2)
    assert (said["traces"], said["artifacts"]) == (2, 6)
    assert (said["unplaced"], said["unread"], said["refused"]) == (0, 0, 0)
    assert said["unassessed"] == 0
    kept = lab.home / "cloister-lab/lab.db"
    if kept.exists():  # and no server of PostgreSQL
        with closing(sqlite3.connect(kept)) as database:
            (links,) = database.execute("SELECT COUNT(*) FROM track_trace_link").fetchone()
        assert links == (form == "sqlite")
    given = lab.json("export-all", "out")
    assert (given["models"], given["versions"], given["traces"]) == (1, 2, 2)
    before, after = (
        json.loads(stock(READ_MODELS, one, tmp_path).rpartition("FOUND")[2])
        for one in (uri, f"file://{lab.folder}/out")
    )
    for kind, expected, found in zip(KINDS, before, after, strict=True):
        assert found == expected, kind
    again = lab.json("import", "mlflow", uri)
    assert all(again[what] == 0 for what in ("models", "registered", "traces", "artifacts"))
    assert lab.json("audit")["whole"]


def test_an_import_that_is_repeated_brings_only_what_is_new(lab: Shell, store: str) -> None:
    lab("import", "mlflow", store)
    again = lab.json("import", "mlflow", store)
    assert (again["runs"], again["known"], again["points"]) == (0, 4, 0)
    assert again["artifacts"] == 0
    assert lab.json("audit")["whole"]


def test_patients_that_the_old_platform_named_are_pseudonyms_now(
    lab: Shell, store: str
) -> None:
    (lab.folder / "scans").mkdir()
    (lab.folder / "scans/KX548213.txt").write_text("scan\n")
    lab("add", "scans", "--subject-pattern", r"^(KX\d+)")
    subject = lab.json("subject", "pseudonym", "-", typed="KX548213\n")["subject"]
    done = lab("import", "mlflow", store)
    assert "1 named patients" in done.stderr
    lab("export-all", "out")
    texts = [path.read_bytes() for path in (lab.folder / "out").rglob("*") if path.is_file()]
    assert not any(b"KX548213" in text for text in texts)
    assert any(f"/scans/{subject}.dcm".encode() in text for text in texts)
    named = lab.json("trace", subject)["named"]
    assert sorted(one["place"] for one in named) == ["name", "param"]


def test_what_is_no_store_is_refused(lab: Shell, tmp_path: Path) -> None:
    (lab.folder / "empty").mkdir()
    (lab.folder / "words.db").write_text("no database\n")
    sqlite3.connect(lab.folder / "other.db").execute("CREATE TABLE runs (a)")
    for uri, code in (
        ("nowhere", "E101"),
        ("empty", "E103"),
        ("sqlite:///words.db", "E103"),
        ("other.db", "E103"),
        ("postgresql://h/d", "E103"),
        ("https://h", "E103"),
    ):
        done = lab("import", "mlflow", uri, status=2)
        assert code in done.stderr, (uri, done.stderr)


def test_an_export_never_writes_over_anything_nor_into_the_lab(lab: Shell) -> None:
    (lab.folder / "out").mkdir()
    assert "E102" in lab("export-all", "out", status=2).stderr
    assert "E103" in lab("export-all", "no/such", status=2).stderr
    inside = str(lab.home / "cloister-lab/out")
    assert "E103" in lab("export-all", inside, status=2).stderr
    assert list((lab.folder / "out").iterdir()) == []


def test_a_folder_that_was_moved_is_read_where_it_is(lab: Shell, tmp_path: Path) -> None:
    stock(FILL, f"file://{tmp_path}/mlruns", tmp_path)
    shutil.move(tmp_path / "mlruns", lab.folder / "moved")
    assert lab.json("import", "mlflow", "moved")["runs"] == 4
