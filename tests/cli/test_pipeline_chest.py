"""The example of a pipeline on real scans: from DICOM files to a model that is served."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from tests.cli.serving import ask, serving
from tests.conftest import ROOT, Shell

EXAMPLE = ROOT / "examples/chest"
ENVIRONMENT = {"OMP_NUM_THREADS": "1"}
SMALL = ("-p", "epochs=1", "-p", "width=4", "-p", "turns=2")


@pytest.fixture
def patients(lab: Shell) -> Shell:
    """A lab with the PET and the contours of six patients."""
    data = Path(os.environ.get("CLOISTER_TEST_DATA", ROOT.parent / "shared/data"))
    source = data / "sts/dicom"
    if not source.is_dir():
        pytest.skip("no folder of real images: set CLOISTER_TEST_DATA")
    for folder in sorted(source.glob("*/PET")):
        shutil.copytree(folder, lab.folder / "dicom" / folder.relative_to(source))
    lab("add", "dicom", "--name", "scans", "--no-checks")
    shutil.copytree(EXAMPLE, lab.folder / "code")
    return lab


def test_scans_become_a_model_that_is_traced_proven_and_served(patients: Shell) -> None:
    shell = patients
    words = ("pipeline", "run", "flow.py", "--workdir", "code", *SMALL)
    said = shell.json(*words, env=ENVIRONMENT)
    assert (said["state"], said["made"]) == ("finished", 8)
    rows = {one["step"]: str(one["run"]) for one in shell.json("pipeline", "show")["tasks"]}
    table = shell("get", rows["report"], "results.md").stdout
    for name in ("network", "threshold", "threshold of 41 %"):
        assert f"| {name} |" in table

    # The export step was given no scans; what it learned from is on record all the same.
    traced = shell.json("trace", "-", typed="STS_006\n")
    assert set(rows.values()) <= {one["run"] for one in traced["runs"]}
    exported = rows["export"]
    assert any(one["models"] for one in traced["runs"] if one["run"] == exported)

    shell("prove", exported, "-o", "bundle")
    shell("verifier", "cloister_verify.py")
    command = [sys.executable, "-I", "cloister_verify.py", "bundle"]
    trust = ["--trust", str(shell.home / "cloister-lab/lab.pub")]
    checked = subprocess.run(
        [*command, *trust], cwd=shell.folder, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr

    shell("get", exported, "outline.onnx", "-o", "outline.onnx")
    picture = np.random.default_rng(1).random((1, 2, 48, 48), dtype="float32")
    own = onnxruntime.InferenceSession(str(shell.folder / "outline.onnx"))
    with serving(shell, exported) as address:
        answer = ask(address, "uptake", picture)
    (wanted,) = own.run(None, {"uptake": picture})
    assert np.allclose(answer["tumour"], wanted.ravel(), atol=1e-4)


def test_a_contour_is_drawn_where_it_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLE))
    scans = import_module("scans")
    del sys.modules["scans"]

    class Picture:
        ImagePositionPatient = (-10.0, 20.0, 5.0)
        PixelSpacing = (4.0, 2.0)
        Rows, Columns = 6, 8

    # Pixels lie about their middles: from column 2 to 4 and row 1 to 3, all of them.
    left, right = -10 + 2 * 1.5, -10 + 2 * 4.5
    top, bottom = 20 + 4 * 0.5, 20 + 4 * 3.5
    points = np.array([(left, top, 5), (right, top, 5), (right, bottom, 5), (left, bottom, 5)])
    drawn = scans._inside(points, Picture)
    wanted = np.zeros((6, 8), dtype=bool)
    wanted[1:4, 2:5] = True
    assert (drawn == wanted).all()
    assert scans.dice(drawn, wanted) == 1
    assert scans.dice(drawn, ~wanted) == 0


def test_the_page_says_what_the_network_is_worth_beside_a_threshold() -> None:
    _, _, found = (EXAMPLE / "README.md").read_text().partition("<!-- results -->")
    for name in ("network", "threshold", "threshold of 41 %"):
        assert f"| {name} |" in found
    assert "Network over threshold:" in found
