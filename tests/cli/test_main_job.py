"""The main job on the diabetes study: train, serve, predict, prove, withdraw."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.serving import serving
from tests.conftest import ROOT, Shell, new_shell

ROW = [59.0, 2.0, 32.1, 101.0, 157.0, 93.2, 38.0, 4.0, 4.8598, 87.0]


@pytest.fixture(scope="module")
def trained() -> Iterator[Shell]:
    """A lab with the study in it and one finished run."""
    with new_shell() as shell:
        data = [sys.executable, str(ROOT / "examples/diabetes/data.py")]
        subprocess.run(data, cwd=shell.folder, check=True, capture_output=True)
        shutil.copy(ROOT / "examples/diabetes/train.py", shell.folder)
        shell("init")
        words = ("--subject-column", "patient_id", "--label-column", "progression")
        shell("add", "diabetes", "--name", "diabetes", *words)
        fetch = ("--fetch", "http://example.com/x")
        shell("run", "--", "python", "train.py", "--data", "./diabetes", *fetch)
        yield shell


def ask(address: dict[str, Any], token: str | None = None) -> httpx.Response:
    """One question, over TLS that trusts the lab's CA alone."""
    trust = ssl.create_default_context(cafile=address["ca_file"])
    secret = token or Path(address["token_file"]).read_text()
    asked = {"name": "measurements", "datatype": "FP32", "shape": [1, 10], "data": ROW}
    headers = {"Authorization": f"Bearer {secret}"}
    with httpx.Client(verify=trust, headers=headers, timeout=60) as client:
        return client.post(address["infer"], json={"inputs": [asked]})


def test_the_attempt_to_leave_is_refused_and_counted(trained: Shell) -> None:
    log = trained("get", "last", "log").stdout
    assert "could not fetch" in log
    run = trained.json("trace", "-", typed="P0001\n")["runs"][0]
    assert run["state"] == "finished"


def test_the_model_is_better_than_guessing(trained: Shell) -> None:
    metrics = json.loads(trained("get", "last", "metrics.json").stdout)
    assert metrics["mae"] < 0.8 * metrics["mae_of_the_mean"]


def test_what_made_the_model_makes_the_same_model_again(trained: Shell) -> None:
    again = trained.json("reproduce", "last")
    assert (again["verdict"], again["differences"]) == ("IDENTICAL", [])
    assert {one["path"] for one in again["outputs"]} == {"metrics.json", "model.onnx"}


def test_an_answer_is_watermarked_and_on_record(trained: Shell) -> None:
    with serving(trained) as address:
        answer = ask(address).json()
        assert ask(address, "clo_wrong").status_code == 401
    said = answer["parameters"]
    assert said["watermark"] == "unreleased"
    assert said["model_sha256"] == address["sha256"]
    assert 25 < answer["outputs"][0]["data"][0] < 346
    traced = trained.json("trace", "-", typed="P0001\n")
    assert said["ledger_index"] in traced["runs"][0]["predictions"]
    assert not Path(address["token_file"]).exists()


def test_a_stranger_to_the_ca_is_not_trusted(trained: Shell) -> None:
    with serving(trained) as address, pytest.raises(httpx.ConnectError):
        httpx.post(address["infer"], json={})


def verify(shell: Shell, *words: str) -> subprocess.CompletedProcess[str]:
    """The one-file verifier, isolated from Cloister."""
    command = [sys.executable, "-I", str(shell.folder / "cloister_verify.py"), *words]
    return subprocess.run(
        command, cwd=shell.folder, capture_output=True, text=True, check=False
    )


def test_the_bundle_verifies_against_the_lab_alone(trained: Shell) -> None:
    with tempfile.TemporaryDirectory() as place:
        bundle = f"{place}/bundle"
        record = trained.json("trace", "-", typed="P0007\n")["records"][0]
        trained("prove", "last", "-o", bundle, "--disclose", record)
        trained("verifier", "cloister_verify.py")
        public = str(trained.home / "cloister-lab/lab.pub")
        done = verify(trained, bundle, "--trust", public)
        assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "VERIFIED"), done.stdout
        assert "443 records, 442 subjects, 442 labels" in done.stdout
        assert verify(trained, bundle).returncode == 3  # UNANCHORED
        raw = b"".join(p.read_bytes() for p in Path(bundle).rglob("*") if p.is_file())
        assert b"P0007" not in raw
        model = next(Path(bundle, "models").iterdir())
        changed = bytearray(model.read_bytes())
        changed[100] ^= 1
        model.write_bytes(changed)
        assert verify(trained, bundle, "--trust", public).returncode == 1


def test_the_page_holds_the_whole_chain_and_no_id(trained: Shell) -> None:
    trained("page", "-", "-o", "chain.html", typed="P0005\n")
    page = (trained.folder / "chain.html").read_text()
    for title in ("Patient", "Record", "Label", "Version", "Run", "Model", "Prediction"):
        assert title in page
    assert "P0005" not in page
    assert "://" not in page


def test_a_withdrawal_taints_the_model_and_stops_serving_it(trained: Shell) -> None:
    trained("erase", "-", "--reason", "withdrawn", "--yes", typed="P0017\n")
    assert trained.json("ls", "--models")[0]["state"] == "TAINTED"
    assert "E201" in trained("serve", "last", status=3).stderr
    with serving(trained, "last", "--tainted") as address:
        assert ask(address).status_code == 200
    again = trained("run", "--", "python", "train.py", "--data", "./diabetes")
    assert "442 records" in again.stderr
    assert "441 patients" in again.stdout
    assert trained.json("audit")["whole"]
