"""`cloister export`, as typed: an honest script's leavings end in a served, proven model."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.serving import ask, serving
from tests.conftest import ROOT, Shell, new_lab

TABLES = """
import joblib, numpy, sys
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

x = numpy.random.default_rng(3).standard_normal((80, 4)) * [1, 5, 20, 0.1] + [0, 9, 100, 0]
y = (x[:, 1] > 9).astype(int) + (x[:, 2] > 110)
model = make_pipeline(StandardScaler(), LogisticRegression()).fit(x[:60], y[:60])
joblib.dump(model, "out.joblib")
numpy.save("held_out.npy", x[60:].astype("float32"))
numpy.save("said.npy", model.predict_proba(x[60:].astype("float32")))
"""
SENSITIVE = TABLES.replace("+ [0, 9, 100, 0]", "* 20 + 1e8").replace(
    "x[:, 1] > 9", "x[:, 1] > 1e8"
)
WEIGHTS = """
import sys

import numpy, torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.seen = torch.nn.Conv2d(1, 4, 3)
        self.said = torch.nn.Linear(4, 3)

    def forward(self, x):
        return self.said(torch.relu(self.seen(x)).mean((2, 3)))

def main():
    torch.manual_seed(1)
    net = Net().eval()
    rows = torch.randn(8, 1, 9, 9)
    torch.save(net.state_dict(), "net.pt")
    torch.jit.trace(net, rows).save("net.ts")
    from safetensors.torch import save_file
    save_file(net.state_dict(), "net.safetensors")
    numpy.save("rows.npy", rows.numpy())
    with torch.no_grad():
        numpy.save("said.npy", net(rows).numpy())

if __name__ == "__main__":
    main()
"""
BOOSTED = """
import lightgbm, numpy

x = numpy.random.default_rng(3).standard_normal((80, 4))
y = (x[:, 1] + x[:, 0] > 0).astype(int)
model = lightgbm.LGBMClassifier(n_estimators=5, verbose=-1).fit(x[:60], y[:60])
model.booster_.save_model("model.lgb")
numpy.save("rows.npy", x[60:].astype("float32"))
numpy.save("said.npy", model.predict_proba(x[60:].astype("float32")))
"""


def trained(shell: Shell, script: str, name: str = "train.py") -> str:
    """The run of an unmodified script on the shell's scans."""
    (shell.folder / name).write_text(script)
    return str(shell.json("run", "--", "python", name, "scans")["run"])


def array(shell: Shell, run: str, name: str) -> Any:
    """An array that a run left."""
    target = shell.folder / f"{run}-{name}"
    shell("get", run, name, "-o", str(target))
    return np.load(target)


def verified(shell: Shell, run: str) -> str:
    """What the one-file verifier, isolated from Cloister, says of the run's bundle."""
    folder = shell.folder / f"bundle-{run}"
    shell("prove", run, "-o", str(folder))
    public = str(shell.home / "cloister-lab/lab.pub")
    source = str(ROOT / "src/cloister_verify.py")
    done = subprocess.run(
        [sys.executable, "-I", source, str(folder), "--trust", public],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "VERIFIED"), done.stdout
    return done.stdout


def leaves(shell: Shell) -> list[dict[str, Any]]:
    """The ledger's events."""
    return [json.loads(leaf) for (leaf,) in shell.sql("SELECT leaf FROM ledger_leaf")]


@pytest.fixture(scope="module")
def left() -> Iterator[tuple[Shell, str]]:
    """A lab with 12 records and a run that left a joblib file."""
    from tests.conftest import add_scans

    with new_lab() as shell:
        add_scans(shell)
        yield shell, trained(shell, TABLES)


def test_a_joblib_file_ends_in_a_served_and_proven_model(left: tuple[Shell, str]) -> None:
    shell, run = left
    made = shell.json("export", run, "--rows", "held_out.npy")
    assert (made["rows"], made["held_out"], made["labels_agreed"]) == (20, True, 20)
    assert float(made["max_rel"]) < 1e-5
    rows, said = array(shell, run, "held_out.npy"), array(shell, run, "said.npy")
    with serving(shell, made["run"]) as address:
        answer = ask(address, "rows", rows)
    assert np.abs(np.reshape(answer["probabilities"], said.shape) - said).max() < 1e-4
    words = verified(shell, made["run"])
    assert run in words
    assert "20 rows, held out" in words
    assert "12 records, 4 subjects" in words
    assert shell.json("audit")["whole"]


def test_a_run_says_how_what_it_left_is_converted(left: tuple[Shell, str]) -> None:
    shell, _ = left
    again = shell("run", "--", "python", "train.py", "scans").stderr
    assert "cloister export run_" in again
    run = shell.json("ls", "--runs")[-1]["run"]
    assert f"cloister export {run}" in shell("serve", run, status=2).stderr
    made = shell.json("export", run)["run"]
    assert f"cloister serve {made}" in shell("serve", run, status=2).stderr


def test_a_conversion_that_changes_predictions_is_refused_with_the_difference(
    left: tuple[Shell, str],
) -> None:
    shell, run = left
    models = len(shell.json("ls", "--models"))
    failed = shell("export", run, "--rows", "held_out.npy", "--tolerance", "1e-12", status=2)
    assert "E106" in failed.stderr
    assert "tolerance 1.000e-12" in failed.stderr
    assert "same label for 20 of 20" in failed.stderr
    assert len(shell.json("ls", "--models")) == models
    last = shell.json("ls", "--runs")[-1]
    assert (last["state"], last["models"]) == ("failed", 0)
    assert "E101" in shell("serve", last["run"], status=2).stderr


def test_a_model_that_loses_its_digits_on_the_way_is_refused(scans: Shell) -> None:
    run = trained(scans, SENSITIVE)
    failed = scans("export", run, "--rows", "held_out.npy", status=2)
    assert "E106" in failed.stderr
    assert "nothing was registered" in failed.stderr
    assert scans.json("ls", "--models") == []


def test_made_up_rows_are_said_to_be_made_up(left: tuple[Shell, str]) -> None:
    shell, run = left
    assert "made up" in shell("export", run).stdout


def test_rows_may_lie_in_the_data_that_the_run_was_given(left: tuple[Shell, str]) -> None:
    shell, _ = left
    lines = [f"Q{n:02},{n / 7},{9 + n / 3},{90 + n},0.{n}\n" for n in range(30)]
    table = "who,a,b,c,d\n" + "".join(lines)
    (shell.folder / "rows").mkdir()
    (shell.folder / "rows/held_out.csv").write_text(table)
    shell("add", "rows", "--subject-column", "who")
    (shell.folder / "other.py").write_text(TABLES)
    run = shell.json("run", "--", "python", "other.py", "rows")["run"]
    made = shell.json("export", run, "--rows", "rows/held_out.csv")
    assert (made["rows"], made["held_out"]) == (30, True)
    reads = [one["body"] for one in leaves(shell) if one["type"] == "read.begun"]
    assert any(body["run"] == made["run"] and body["purpose"] == "run" for body in reads)


def test_the_record_holds_no_name_of_what_was_converted(left: tuple[Shell, str]) -> None:
    shell, run = left
    shell("export", run)
    told = [one for one in leaves(shell) if one["type"] == "model.exported"]
    assert told[-1]["body"]["origin"] == run
    assert "joblib" not in json.dumps(told)


def test_a_withdrawal_before_the_conversion_taints_what_came_of_it(scans: Shell) -> None:
    run = trained(scans, TABLES)
    scans("erase", "-", "--reason", "withdrawn", "--yes", typed="P001\n")
    made = scans.json("export", run)
    assert scans.json("ls", "--models")[0]["state"] == "TAINTED"
    assert "E201" in scans("serve", made["run"], status=3).stderr
    later = scans.json("export", run)["run"]
    scans("erase", "-", "--reason", "withdrawn too", "--yes", typed="P002\n")
    traced = scans.json("trace", "-", typed="P003\n")
    assert later in [one["run"] for one in traced["runs"]]
    assert scans.json("audit")["whole"]


def test_weights_end_in_a_served_model_with_the_scripts_own_module(scans: Shell) -> None:
    run = trained(scans, WEIGHTS)
    failed = scans("export", run, "--file", "net.pt", status=2)
    assert "--module" in failed.stderr
    several = scans("export", run, status=2)
    assert "3 files that may be models" in several.stderr
    words = ("--module", "train.py:Net", "--rows", "rows.npy")
    made = scans.json("export", run, "--file", "net.pt", *words)
    check_served(scans, run, made["run"])
    assert "state dict by torch.onnx" in verified(scans, made["run"])


def check_served(shell: Shell, run: str, made: str) -> None:
    """The answers over HTTPS are the original's."""
    rows, said = array(shell, run, "rows.npy"), array(shell, run, "said.npy")
    with serving(shell, made) as address:
        given = list(ask(address, "rows" if rows.ndim == 2 else "x", rows).values())[-1]
    assert np.abs(np.reshape(given, said.shape) - said).max() < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "file", "words"),
    [
        (WEIGHTS, "net.ts", ()),
        (WEIGHTS, "net.safetensors", ("--module", "train.py:Net")),
        (BOOSTED, "model.lgb", ()),
        (BOOSTED.replace("booster_.save_model(\"model.lgb\")", "booster_") + (
            "import pickle\npickle.dump(model, open('model.pkl', 'wb'))\n"), "model.pkl", ()),
    ],
)  # fmt: skip
def test_every_format_ends_in_a_served_and_proven_model(
    scans: Shell, script: str, file: str, words: tuple[str, ...]
) -> None:
    run = trained(scans, script)
    made = scans.json("export", run, "--file", file, "--rows", "rows.npy", *words)
    check_served(scans, run, made["run"])
    verified(scans, made["run"])


@pytest.mark.slow
def test_a_conversion_that_is_killed_leaves_nothing(scans: Shell) -> None:
    run = trained(scans, TABLES)
    (scans.folder / "slow.py").write_text("import time; time.sleep(60)\ndef make(): pass\n")
    (scans.folder / "late.py").write_text(
        "import torch; torch.save(torch.nn.Linear(2, 2).state_dict(), 'late.pt')"
    )
    late = scans.json("run", "--", "python", "late.py", "scans")["run"]
    process = scans.start("export", late, "--module", "slow.py:make")
    deadline_s = time.monotonic() + 30
    while len(scans.json("ls", "--runs")) < 3 and time.monotonic() < deadline_s:
        time.sleep(0.2)
    process.kill()
    process.communicate()
    done = scans("ls", "--runs")
    last = scans.json("ls", "--runs")[-1]
    assert "was interrupted" in done.stderr or last["state"] == "interrupted"
    assert (last["state"], last["models"]) == ("interrupted", 0)
    assert scans.json("export", run)["sha256"]
    assert scans.json("audit")["whole"]


def test_a_failed_run_is_not_converted(scans: Shell) -> None:
    scans("run", "--", "sh", "-c", "touch a.pkl; exit 3", status=3)
    assert "failed" in scans("export", "last", status=2).stderr


def test_a_package_that_is_missing_is_named(scans: Shell, tmp_path: Path) -> None:
    run = trained(scans, TABLES)
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True
    )
    bare = str(tmp_path / "bare/bin/python")
    failed = scans("export", run, "--python", bare, status=2)
    assert "pip install scikit-learn" in failed.stderr
