"""``cloister up``: MLflow's own client, outside the fence, over HTTPS with a token."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.cli.gateway import gateway
from tests.conftest import Shell

SCRIPT = """
import os
import mlflow
mlflow.set_experiment("ward 3")
with mlflow.start_run() as run:
    mlflow.log_param("lr", 0.1)
    for step in range(3):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
    if os.environ.get("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD"):
        open("weights.bin", "wb").write(b"weights" * 300_000)
        mlflow.log_artifact("weights.bin")
        there = mlflow.artifacts.download_artifacts(f"runs:/{run.info.run_id}/weights.bin")
        assert open(there, "rb").read() == open("weights.bin", "rb").read()
print(run.info.run_id)
"""
AUTHORITY = "MLFLOW_TRACKING_SERVER_CERT_PATH"
IN_PARTS = {
    "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "true",
    "MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE": "1000000",
    "MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE": "1000000",
}
EXPERIMENT = "/api/2.0/mlflow/experiments/get?experiment_id=0"


def test_an_unchanged_script_logs_through_it(lab: Shell) -> None:
    script = lab.folder / "train.py"
    script.write_text(SCRIPT)
    with gateway(lab) as up:
        around = lab.environment | up.environment | {"MLFLOW_DISABLE_TELEMETRY": "true"}
        around |= IN_PARTS | {"REQUESTS_CA_BUNDLE": up.environment[AUTHORITY]}
        done = subprocess.run(
            [sys.executable, "-W", "ignore", str(script)],
            env=around,
            cwd=lab.folder,
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        tracked = re.findall(r"^[0-9a-f]{32}$", done.stdout, re.MULTILINE)[-1]
        with up.client() as client:
            found = client.get("/api/2.0/mlflow/runs/get", params={"run_id": tracked}).json()
        assert found["run"]["data"]["params"] == [{"key": "lr", "value": "0.1"}]
        tags = {tag["key"]: tag["value"] for tag in found["run"]["data"]["tags"]}
        assert tags["cloister.fence"] == "unfenced"
        token_file = Path(up.said["token_file"])
        assert token_file.stat().st_mode & 0o777 == 0o600
    assert up.process.returncode == 0
    assert not token_file.exists()
    lab("audit")


def test_who_shows_no_good_token_is_told_nothing(lab: Shell) -> None:
    with gateway(lab) as up:
        basic = base64.b64encode(f"ada:{up.token}".encode()).decode()
        with up.client(auth=None) as client:
            assert client.get("/health").text == "OK"
            good = client.get(EXPERIMENT, headers={"authorization": f"Basic {basic}"})
            assert good.json()["experiment"]["name"] == "Default"
            for header in ("Bearer nothing", "Basic nothing", f"Bearer {up.token}x", "Bearer"):
                refused = client.get(EXPERIMENT, headers={"authorization": header})
                assert refused.status_code == 401
                assert refused.json()["error_code"] == "UNAUTHENTICATED"
            assert client.get(EXPERIMENT).status_code == 401
        strange = httpx.Client(base_url=up.said["url"], trust_env=False)
        with strange, pytest.raises(httpx.ConnectError, match="certificate verify failed"):
            strange.get("/health")


def test_a_members_token_works_until_it_is_revoked(lab: Shell) -> None:
    issued = lab.json("token", "issue", "notebook")
    with gateway(lab) as up, up.client(issued["secret"]) as client:
        assert client.get(EXPERIMENT).status_code == 200
        lab("token", "revoke", issued["token"])
        assert client.get(EXPERIMENT).status_code == 401


def test_the_first_start_invites_whoever_started_it(lab: Shell) -> None:
    with gateway(lab) as up, up.client(auth=None) as client:
        assert up.said["join"].startswith(up.said["url"] + "/join/")
        page = client.get(up.said["join"])
        assert (page.status_code, page.headers["cache-control"]) == (200, "no-store")
        assert "<h1>" in page.text
        assert client.get("/account").headers["location"] == "/login?next=/account"


def test_there_is_one_gateway_and_a_killed_one_leaves_no_good_token(lab: Shell) -> None:
    with gateway(lab) as first:
        second = lab("up", "--port", "0", status=None)
        assert second.returncode != 0
        assert "up already" in second.stderr
        token = first.token
        first.process.kill()
    with gateway(lab) as again, again.client(token) as client:
        assert client.get(EXPERIMENT).status_code == 401
        with again.client() as good:
            assert good.get(EXPERIMENT).status_code == 200
