"""Claim: nothing of what scripts track reaches a third party, its client's own maker included.

A stock MLflow asks a server of its maker for settings when it is imported, and sends what was
called how often. The packets are counted by the kernel, in the namespace of the job.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from tests.conftest import Shell

TRACK = """
import os, sys, time
if "--undo" in sys.argv:
    os.environ.pop("DO_NOT_TRACK"), os.environ.pop("MLFLOW_DISABLE_TELEMETRY")
import mlflow
mlflow.set_experiment("ward 3")
with mlflow.start_run():
    mlflow.log_metric("auc", 0.9)
mlflow.search_runs()
time.sleep(2)
"""


def attempts(lab: Shell, *words: str) -> int:
    """How often a job that tracks with the stock client tried to leave."""
    (lab.folder / "track.py").write_text(TRACK)
    done = lab("--json", "run", "--", "python3", "track.py", *words)
    return int(json.loads(done.stdout)["network_attempts"])


def test_the_client_in_a_job_reports_to_nobody(lab: Shell) -> None:
    assert attempts(lab) == 0


def test_what_it_would_report_is_counted_and_gets_nowhere(lab: Shell) -> None:
    assert attempts(lab, "--undo") > 0


ALONE = """
import json, os, signal, subprocess, sys, time
from cloister.fence.inside.counters import attempts_to_leave
from cloister.fence.inside.network import raise_loopback

raise_loopback()
before = attempts_to_leave()
command = [sys.executable, "-m", "cloister", "--json", "up", "--port", "0"]
up = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
text = ""
while not text.endswith("\\n}\\n"):
    text += up.stdout.readline() or sys.exit("it did not start")
said = json.loads(text)
client = os.environ | {
    "MLFLOW_TRACKING_URI": said["url"],
    "MLFLOW_TRACKING_TOKEN": open(said["token_file"]).read(),
    "MLFLOW_TRACKING_SERVER_CERT_PATH": said["ca_file"],
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
subprocess.run([sys.executable, "track.py", *sys.argv[1:]], env=client, check=True)
up.send_signal(signal.SIGTERM)
up.wait()
print("ATTEMPTS", attempts_to_leave() - before, up.returncode)
"""


def test_the_gateway_reports_to_nobody(lab: Shell) -> None:
    """In a network of loopback alone, where the kernel counts what finds no way."""
    unshare = shutil.which("unshare")
    command = [unshare or "", "-rn", sys.executable, "-c", ALONE]
    if unshare is None or subprocess.run([unshare, "-rn", "true"], check=False).returncode:
        pytest.skip("no user namespaces")
    (lab.folder / "track.py").write_text(TRACK)
    done = subprocess.run(
        command,
        cwd=lab.folder,
        env=lab.environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert "ATTEMPTS 0 0" in done.stdout, (done.stdout, done.stderr)
