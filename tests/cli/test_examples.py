"""The examples run as they are, in the fence: no edit, no configuration, no network."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Shell, new_lab

EXAMPLES = ROOT / "examples"
# One thread: several libraries' threads on few processors cost more than they bring.
ENVIRONMENT = {"OMP_NUM_THREADS": "1"}


def contracts() -> Path | None:
    """The collection of contracts, where this machine has it."""
    data = Path(os.environ.get("CLOISTER_TEST_DATA", ROOT.parent / "shared/data"))
    found = data / "contracts/smartbugs_curated.jsonl"
    return found if found.is_file() else None


def python(script: str, *words: str | Path, folder: Path) -> None:
    """A script that prepares something, outside the fence."""
    subprocess.run(
        [sys.executable, EXAMPLES / script, *map(str, words)],
        cwd=folder,
        check=True,
        capture_output=True,
        timeout=240,
        env=os.environ | ENVIRONMENT,
    )


@pytest.fixture(scope="module")
def ward() -> Iterator[Shell]:
    """A lab with the tables of two studies."""
    with new_lab() as shell:
        for name in ("cancer", "diabetes"):
            python(f"{name}/data.py", folder=shell.folder)
            shell("add", name, "--name", name, "--subject-column", "patient_id")
        yield shell


def run(shell: Shell, example: str, *command: str) -> tuple[dict[str, Any], str]:
    """A copy of the example's folder, its command run in it; what it reports and prints."""
    place = shell.folder / example.replace("/", "-")
    shutil.copytree(EXAMPLES / example, place, dirs_exist_ok=True)
    words = ("run", "--workdir", str(place), "--", *command)
    done = shell("--json", *words, env=ENVIRONMENT, status=None)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["network_attempts"] == 0, done.stderr
    assert report["fence"] == "full"
    return report, done.stderr


def tracked(shell: Shell, report: dict[str, Any]) -> list[Path]:
    """The folders of the runs that a job tracked, as `export-all` writes them."""
    out = f"of-{report['run']}"
    shell("export-all", out)
    tags = (shell.folder / out).glob("*/*/tags/cloister.run")
    return [tag.parent.parent for tag in tags if tag.read_text() == report["run"]]


def names(runs: list[Path], kind: str) -> set[str]:
    """The names of all metrics or parameters of these runs, but for the machine's own."""
    folders = [run / kind for run in runs]
    paths = {
        path.relative_to(top) for top in folders for path in top.rglob("*") if path.is_file()
    }
    return {str(path) for path in paths if path.parts[0] != "system"}


def number(text: str, pattern: str) -> float:
    """The number in what was printed."""
    found = re.search(pattern, text)
    assert found, text
    return float(found[1])


def test_scikit_learn_with_autolog(ward: Shell) -> None:
    data = str(ward.folder / "cancer")
    report, said = run(ward, "cancer", "python", "train.py", "--data", data)
    assert number(said, r"area under the curve ([0-9.]+)") > 0.98
    (one,) = tracked(ward, report)
    assert {"held_out_auc", "training_roc_auc"} <= names([one], "metrics")
    assert "logisticregression__C" in names([one], "params")
    given = [path.read_text() for path in (one.parent / "datasets").glob("*/meta.yaml")]
    assert any('"source": "cancer@1"' in text for text in given)


def test_a_pytorch_loop(ward: Shell) -> None:
    data = str(ward.folder / "diabetes")
    words = ("python", "train.py", "--data", data, "--epochs", "15")
    report, said = run(ward, "progress", *words)
    assert "165 steps" in said
    assert number(said, r"mean absolute error ([0-9.]+)") < 60
    (one,) = tracked(ward, report)
    assert len((one / "metrics/loss").read_text().splitlines()) == 165
    assert (one / "artifacts/model.pt").stat().st_size > 1000
    assert (one / "params/hidden").read_text() == "32"


def test_pytorch_lightning_with_autolog(ward: Shell) -> None:
    data = str(ward.folder / "diabetes")
    words = ("python", "train.py", "--data", data, "--epochs", "6")
    report, said = run(ward, "lightning", *words)
    assert "66 steps" in said
    assert number(said, r"mean absolute error ([0-9.]+)") < 75
    (one,) = tracked(ward, report)
    assert {"loss", "held_out_mae"} <= names([one], "metrics")
    assert {"optimizer_name", "lr", "weight_decay", "epochs"} <= names([one], "params")
    kept = {path.name for path in (one / "artifacts").rglob("*") if path.is_file()}
    assert any(name.endswith((".pth", ".ckpt")) for name in kept), kept


def test_an_optuna_study(ward: Shell) -> None:
    data = str(ward.folder / "cancer")
    words = ("python", "search.py", "--data", data, "--trials", "6")
    report, said = run(ward, "study", *words)
    assert number(said, r"area under the curve ([0-9.]+)") > 0.97
    found = tracked(ward, report)
    assert len([one for one in found if (one / "tags/mlflow.parentRunId").is_file()]) == 6
    assert names(found, "metrics") == {"auc", "best_auc", "held_out_auc"}


def test_a_pipeline_of_shell_tools_is_tracked_by_the_file_it_leaves(ward: Shell) -> None:
    report, said = run(ward, "pipeline", "sh", "run.sh", str(ward.folder / "cancer"))
    assert "masses wider than 14.64" in said
    ward("export-all", "of-pipeline")
    (metrics,) = (ward.folder / "of-pipeline").glob(f"*/{report['tracked']}/metrics")
    assert (metrics / "accuracy/held_out").read_text().split()[1] == "0.8099"


def test_generation_at_several_temperatures(ward: Shell) -> None:
    words = (ROOT / "LICENSE", "tiny-gpt2", "--steps", "60")
    python("generate/make_model.py", *words, folder=ward.folder)
    named = ("--name", "lab/tiny-gpt2", "--license", "apache-2.0")
    ward("hub", "add", "tiny-gpt2", *named)
    report, said = run(ward, "generate", "python", "generate.py", "--tokens", "24")
    assert [one["name"] for one in report["hub"]] == ["lab/tiny-gpt2"]
    for temperature in ("0.3", "0.7", "1.0", "1.5"):
        assert f"[{temperature}] Subject to the terms and conditions of" in said
    # The figures of the machine have a run of their own where the script made several.
    found = [one for one in tracked(ward, report) if (one / "params/temperature").is_file()]
    assert {(one / "params/temperature").read_text() for one in found} == {
        "0.3",
        "0.7",
        "1.0",
        "1.5",
    }
    for one in found:
        assert (one / "artifacts/text.txt").read_text().startswith("Subject to the terms")


def test_fine_tuning_a_model_of_the_hub_on_contracts(ward: Shell) -> None:
    collection = contracts()
    if collection is None:
        pytest.skip("no folder of real contracts")
    python("contracts/data.py", collection, folder=ward.folder)
    python("contracts/make_model.py", "contracts", "distilbert", folder=ward.folder)
    named = ("--name", "lab/solidity-distilbert", "--license", "apache-2.0")
    ward("hub", "add", "distilbert", *named)
    (ward.folder / "contracts").rename(ward.folder / "solidity")
    family = ("--subject-pattern", "(family-[0-9]+)/")
    added = ward.json("add", "solidity", "--name", "contracts", *family)
    assert (added["added"], len(ward.json("ls", "--subjects"))) == (143, 86 + 569 + 442)
    words = ("--data", str(ward.folder / "solidity"), "--folds", "2", "--epochs", "1")
    report, said = run(ward, "contracts", "python", "train.py", *words)
    assert "143 contracts, 31 re-entrant, 86 families" in said
    assert number(said, r"rule +F1 ([0-9.]+)") == 0.61
    assert re.search(r"distilbert +F1 [0-9.]+ \[[0-9.]+, [0-9.]+\]", said)
    assert "model/model.safetensors" in report["outputs"]
    assert [one["name"] for one in report["hub"]] == ["lab/solidity-distilbert"]
    found = tracked(ward, report)
    assert {"distilbert_f1", "tfidf_f1_low", "loss"} <= names(found, "metrics")
    nested = [one for one in found if (one / "tags/mlflow.parentRunId").is_file()]
    assert len(nested) == 2


def test_a_sweep_file_of_weights_and_biases(ward: Shell) -> None:
    for name in ("train.py", "sweep.yaml"):
        shutil.copy(EXAMPLES / "sweep" / name, ward.folder)
    report = ward.json("sweep", "sweep.yaml", "--jobs", "2", "--count", "2", env=ENVIRONMENT)
    assert (report["why"], report["trials"]) == ("count", {"finished": 2})
    best = ward.json("sweep", "show")["best"]
    assert 30 < best["value"] < 90
    assert best["logged"] == 10
    out = "of-sweep"
    ward("export-all", out)
    (parent,) = (ward.folder / out).glob(f"*/{report['parent']}")
    nested = list(parent.parent.glob("*/tags/mlflow.parentRunId"))
    assert [one.read_text() for one in nested] == [report["parent"]] * 2
