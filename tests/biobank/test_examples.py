"""The examples are real patients, and an ordinary script learns from them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cloister.biobank import Kind, SubjectRules, join
from cloister.biobank.walk import walk

EXAMPLES = Path(__file__).parents[2] / "examples"


def python(script: str, *arguments: str | Path, hash_seed: str = "0") -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / script, *arguments],
        env={"PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    python("diabetes/data.py", folder)
    return folder


def test_the_diabetes_table_splits_into_442_patients(study: Path) -> None:
    layout, *rows = walk(study, SubjectRules(column="patient_id"))
    assert layout.path == "diabetes/diabetes.csv"
    assert len({item.subject for item in rows}) == 442
    assert {item.quarantine for item in rows} == {None}
    parts = {item.part: item.content for item in rows}
    joined = join(layout.content, parts)
    assert joined.content == (study / layout.path).read_bytes()
    del parts[17]
    assert join(layout.content, parts).rows == 441


def test_training_beats_the_mean_and_writes_the_same_bytes_twice(
    study: Path, tmp_path: Path
) -> None:
    for seed in ("1", "2"):
        said = python(
            "diabetes/train.py", "--data", study, "--out", tmp_path / seed, hash_seed=seed
        )
        assert "442 patients" in said
    metrics = json.loads((tmp_path / "1/metrics.json").read_text())
    assert metrics["mae"] < 0.75 * metrics["mae_of_the_mean"]
    for name in ("model.onnx", "metrics.json"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_training_goes_on_when_nothing_can_be_fetched(study: Path, tmp_path: Path) -> None:
    # Port 9 of this machine discards; nothing listens there.
    said = python(
        "diabetes/train.py",
        "--data",
        study,
        "--out",
        tmp_path,
        "--fetch",
        "http://127.0.0.1:9/",
    )
    assert "warning: could not fetch" in said
    assert (tmp_path / "model.onnx").exists()


def test_every_copied_dicom_file_is_accounted_for(tmp_path: Path) -> None:
    said = python("dicom/data.py", tmp_path)
    items = list(walk(tmp_path, SubjectRules()))
    assert f"copied {len(items)} DICOM files" in said
    assert len(items) > 180
    assert {item.kind for item in items} == {Kind.DICOM}
    assert sum(item.quarantine is None for item in items) > 140
