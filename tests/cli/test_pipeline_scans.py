"""The example of a pipeline on real scans: from DICOM files to a model that is served."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.cli.serving import ask, serving
from tests.conftest import ROOT, Shell

EVERY = 6
ENVIRONMENT = {"OMP_NUM_THREADS": "1"}


@pytest.fixture
def phantoms(lab: Shell) -> Shell:
    """A lab with every sixth picture of six patients' CT, MR and PET."""
    data = Path(os.environ.get("CLOISTER_TEST_DATA", ROOT.parent / "shared/data"))
    source = data / "sts/dicom"
    if not source.is_dir():
        pytest.skip("no folder of real images: set CLOISTER_TEST_DATA")
    for folder in sorted(source.glob("*/*/image")):
        target = lab.folder / "dicom" / folder.relative_to(source)
        target.mkdir(parents=True)
        for file in sorted(folder.glob("*.dcm"))[::EVERY]:
            shutil.copy(file, target)
    lab("add", "dicom", "--name", "scans", "--no-checks")
    shutil.copytree(ROOT / "examples/scans", lab.folder / "code")
    return lab


def test_scans_become_a_model_that_is_traced_proven_and_served(phantoms: Shell) -> None:
    shell = phantoms
    words = ("pipeline", "run", "flow.py", "--workdir", "code", "-p", "every=1")
    said = shell.json(*words, env=ENVIRONMENT)
    assert (said["state"], said["made"]) == ("finished", 4)
    rows = {one["step"]: one for one in shell.json("pipeline", "show")["tasks"]}
    train = str(rows["train"]["run"])
    printed = shell("get", str(rows["report"]["run"]), "log").stdout.split()
    right, guessing = float(printed[1].rstrip(",")), float(printed[3])
    assert right > guessing + 0.2

    # The train step was given no scans; what it learned from is on record all the same.
    traced = shell.json("trace", "-", typed="STS_006\n")
    assert {str(row["run"]) for row in rows.values()} <= {one["run"] for one in traced["runs"]}
    models = [m for one in traced["runs"] if one["run"] == train for m in one["models"]]
    assert models

    bundle = shell.folder / "bundle"
    shell("prove", train, "-o", str(bundle))
    shell("verifier", "cloister_verify.py")
    command = [sys.executable, "-I", "cloister_verify.py", str(bundle)]
    trust = ["--trust", str(shell.home / "cloister-lab/lab.pub")]
    checked = subprocess.run(
        [*command, *trust], cwd=shell.folder, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    with serving(shell, train) as address:
        answer = ask(address, "X", np.zeros((1, 256), dtype="float32"))
    assert any(name.startswith("prob") for name in answer)
