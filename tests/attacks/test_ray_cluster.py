"""Claim: Ray carries what a pipeline sends to its nodes and cannot read it.

Values lie sealed in the object store, nothing of them is on a disk, and a cluster that asks
nobody for a token, or that reports its use, gets neither them nor the token.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.byte_search import ByteSearch
from tests.attacks.canaries import Canaries
from tests.attacks.elsewhere import mark, ward_with
from tests.attacks.killing import processes_naming, wait_until
from tests.attacks.ray_cluster import Cluster, cluster
from tests.conftest import Shell

pytest.importorskip("ray", reason="ray is not installed")
pytestmark = pytest.mark.xdist_group("far")  # they look for workers of this machine

FLOW = """
import subprocess, sys, time
from pathlib import Path
import cloister as cl

@cl.task
def read(scans):
    return {p.name: p.read_text() for p in Path(scans).rglob("*.txt")}

@cl.task
def keep(texts, seconds):
    Path("kept.txt").write_text(str(texts))
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "MARK"])
    time.sleep(float(seconds))
    return {"count": len(texts), "texts": texts, "file": cl.File("kept.txt")}

@cl.task
def slow(x):
    time.sleep(0.5)
    return x

with cl.pipeline("ward"):
    keep(read(cl.dataset("data1")), cl.param("seconds", 0.0))
    slow.map(list(range(6)))
"""
TRAIN = """
import json, os, sys, urllib.request
from pathlib import Path

def ask(what, **fields):
    url = os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/" + what
    asked = urllib.request.Request(url, json.dumps(fields).encode(), method="POST")
    asked.add_header("Content-Type", "application/json")
    return json.load(urllib.request.urlopen(asked))

texts = [one.read_text() for one in sorted(Path(sys.argv[1]).rglob("*.txt"))]
Path("all.txt").write_text("".join(texts))
run = ask("create", experiment_id="0")["run"]["info"]["run_id"]
ask("log-metric", run_id=run, key="patients", value=len(texts), timestamp=1, step=0)
"""
ACTOR = "ray::Carried"
FAR = "cloister.workflows.far.ray_driver"


@pytest.fixture(scope="module")
def ray() -> Iterator[Cluster]:
    with cluster(nodes=2) as made:
        yield made


@pytest.fixture(scope="module")
def canaries() -> Canaries:
    return Canaries.new()


@pytest.fixture(scope="module")
def ward(canaries: Canaries) -> Iterator[Shell]:
    with ward_with(FLOW, canaries, repeated=20_000) as shell:
        yield shell


def words(on: str, *more: str) -> tuple[str, ...]:
    return ("pipeline", "run", "flow.py", "--workdir", "code", "--on", on, *more)


def test_tasks_run_on_the_nodes_of_a_cluster_and_their_runs_say_on_which(
    ward: Shell, ray: Cluster
) -> None:
    found = ward.json(*words(ray.address), env=ray.variables)
    assert (found["state"], found["made"]) == ("finished", 8)
    rows = ward.sql(
        "SELECT settings FROM run JOIN flow_attempt USING (run) WHERE flow = ?", found["flow"]
    )
    places = {json.loads(row[0]).get("where") for row in rows}
    assert len(places) == 2  # who takes the data too
    assert all(one.startswith(f"{ray.address} node ") for one in places)
    assert "P001" not in str(places)
    assert not processes_naming(FAR)
    ward("audit")


def test_values_lie_in_the_object_store_sealed_and_nowhere_else(
    ward: Shell, ray: Cluster, canaries: Canaries
) -> None:
    search = ByteSearch(canaries.words)
    command = words(ray.address, "--anew", "-p", "seconds=600")
    running = ward.start(*command, env=ray.variables)
    try:
        wait_until(lambda: processes_naming(mark(ward)), 180)  # after a task with data
        stored = ray.stored()
        assert max(map(len, stored)) > 1 << 20
        assert not [found for one in stored for found in search.in_bytes(one)]
        assert not search.below([ray.place])
        assert processes_naming(ACTOR)
    finally:
        running.send_signal(signal.SIGKILL)
        running.communicate()
    # whoever asked is gone: so is the task, and the key that it knew
    left = (mark(ward), FAR, ACTOR)
    wait_until(lambda: not any(processes_naming(one) for one in left))


def test_a_run_goes_to_a_node_that_ray_chooses_with_its_data_and_its_door(
    ward: Shell, ray: Cluster, canaries: Canaries
) -> None:
    (ward.folder / "code/train.py").write_text(TRAIN)
    job = ("--", "python", "train.py", "../scans")
    done = ward.json("run", "--workdir", "code", "--on", ray.address, *job, env=ray.variables)
    assert done["where"].startswith(f"{ray.address} node ")
    assert done["outputs"] == ["all.txt"]
    assert canaries.words[0] in ward("get", done["run"], "all.txt").stdout
    (found,) = ward.json("tracked", "ls")
    assert found["metrics"] == {"patients": "4.0"}
    assert not ByteSearch(canaries.words).below([ray.place])
    left = (FAR, ACTOR)
    wait_until(lambda: not any(processes_naming(one) for one in left))


def test_a_cluster_that_is_not_there_or_does_not_take_the_token_is_told(
    ward: Shell, ray: Cluster, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("b" * 64)
    env = ray.variables | {"RAY_AUTH_TOKEN_PATH": str(token)}
    refused = ward(*words(ray.address), status=None, env=env)
    assert refused.returncode != 0
    assert "does not take the token" in refused.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"RAY_AUTH_MODE": "disabled"}, "lets in whoever asks"),
        ({"RAY_USAGE_STATS_ENABLED": "1"}, "reports its use to Ray's makers"),
    ],
)
def test_a_cluster_that_lets_in_anybody_or_reports_its_use_is_refused(
    ward: Shell, variables: dict[str, str], said: str
) -> None:
    with cluster(nodes=1, variables=variables) as made:
        refused = ward(*words(made.address), status=None, env=made.variables)
    assert refused.returncode != 0
    assert said in refused.stderr
    assert "joined" not in refused.stderr


@pytest.mark.slow
def test_a_head_that_is_lost_interrupts_the_run_which_then_goes_on(ward: Shell) -> None:
    with cluster(nodes=2) as made:
        running = ward.start(
            *words(made.address, "--anew", "-p", "seconds=8"), env=made.variables
        )
        wait_until(lambda: processes_naming(mark(ward)), 180)  # after a task with data
        made.kill_head()
        _, err = running.communicate(timeout=240)
        assert running.returncode != 0, err
        assert ward.json("pipeline", "show")["state"] == "interrupted"
        assert not ward.sql("SELECT run FROM run WHERE state = 'running'")
        wait_until(lambda: not processes_naming(mark(ward)))
        port = made.port
    with cluster(nodes=2, port=port) as made:
        again = ward.json("pipeline", "resume", env=made.variables)
        assert again["state"] == "finished"
