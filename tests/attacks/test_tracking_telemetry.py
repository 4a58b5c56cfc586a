"""Claim: nothing of what scripts track reaches a third party, its client's own maker included.

A stock MLflow asks a server of its maker for settings when it is imported, and sends what was
called how often. The packets are counted by the kernel, in the namespace of the job.
"""

from __future__ import annotations

import json

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
