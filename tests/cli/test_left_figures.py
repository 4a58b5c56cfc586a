"""Figures that a job leaves without a client, as typed: files it wrote, and the machine's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cloister.runs.gpus import Gpus
from cloister.runs.meters import Meters
from cloister.workflows.tracking import leaving
from cloister.workflows.tracking.leaving import Left, Watching
from tests.attacks.killing import wait_until
from tests.conftest import Shell
from tests.tracking.lab import TrackingLab

WRITE = """
import json, os
from torch.utils.tensorboard import SummaryWriter

for part in ("train", "test"):
    with SummaryWriter(f"runs/{part}") as writer:
        for step in range(3):
            writer.add_scalar("loss", step / 2, step)
json.dump({"auc": 0.75, "P001": {"dice": 0.5}}, open("metrics.json", "w"))
"""


def exported(lab: Shell) -> dict[str, list[str]]:
    """The lines of every metric of the one tracked run."""
    lab("export-all", "out")
    (metrics,) = (lab.folder / "out/0").glob("*/metrics")
    files = [path for path in metrics.rglob("*") if path.is_file()]
    return {str(path.relative_to(metrics)): path.read_text().splitlines() for path in files}


def test_figures_in_files_become_points_of_the_run(scans: Shell) -> None:
    (scans.folder / "leave.py").write_text(WRITE)
    done = scans("--json", "run", "--", "python3", "leave.py", "scans")
    said = json.loads(done.stdout)
    found = exported(scans)
    subject = scans.json("subject", "pseudonym", "-", typed="P001\n")["subject"]
    of_script = {name for name in found if not name.startswith("system/")}  # after ten seconds
    assert of_script == {"auc", f"{subject}/dice", "test/loss", "train/loss"}
    assert [line.split()[1:] for line in found["train/loss"]] == [
        ["0.0", "0"],
        ["0.5", "1"],
        ["1.0", "2"],
    ]
    assert found["auc"][0].split()[1:] == ["0.75", "0"]
    tags = scans.folder / "out/0" / said["tracked"] / "tags"
    assert (tags / "cloister.run").read_text() == said["run"]
    (inputs,) = (tags.parent / "inputs").iterdir()
    assert (
        "data1@1" in (tags.parent.parent / "datasets" / inputs.name / "meta.yaml").read_text()
    )
    assert scans.json("audit")["whole"]


def test_a_run_that_leaves_no_figures_tracks_nothing(scans: Shell) -> None:
    words = ("run", "--", "sh", "-c", "echo '[1, 2]' > metrics.json", "scans")
    done = scans("--json", *words)
    assert json.loads(done.stdout)["tracked"] is None
    assert scans.json("export-all", "out")["runs"] == 0


def steps_of(left: Left) -> list[int]:
    return [point.step for point in left.of_machine if "cpu" in point.metric]


def test_the_machine_is_looked_at_while_a_job_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaving, "EVERY_S", 0.05)
    lab, left = TrackingLab(), Left()
    with Watching(lab.lab(), Meters(tmp_path, Gpus(None)), left):
        wait_until(lambda: len(steps_of(left)) >= 3)
    lab.close()
    assert steps_of(left) == list(range(len(steps_of(left))))
    assert {point.metric for point in left.of_machine} >= {
        "system/cpu_utilization_percentage",
        "system/disk_available_megabytes",
        "system/system_memory_usage_megabytes",
    }
