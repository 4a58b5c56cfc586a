"""Claim: an erasure finds every model its subject's data fed, whatever happens meanwhile.

Models that are being trained while a patient withdraws, links between names of one patient
that come and go, and people who may not erase: none of them hides a model.
"""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import sys
from typing import Any

import pytest

from cloister.datasets.splits import Split, parse_parts
from cloister.testing.onnx_models import linear
from tests.conftest import Shell

PARTS = "a=0.5,b=0.5"
REASON = ("--reason", "withdrawn", "--yes")


@pytest.fixture
def training(scans: Shell) -> Shell:
    """`scans`, and a model that a job can claim to have trained."""
    (scans.folder / "seed.onnx").write_bytes(linear())
    return scans


def train(shell: Shell, reference: str) -> str:
    run: str = shell.json("run", "--data", reference, "--", "cp", "seed.onnx", "made.onnx")[
        "run"
    ]
    return run


def pseudonym(shell: Shell, local_id: str) -> str:
    answer: dict[str, str] = shell.json("subject", "pseudonym", "-", typed=f"{local_id}\n")
    return answer["subject"]


def state(shell: Shell, run: str) -> str:
    (line,) = [one for one in shell.json("ls", "--models") if one["run"] == run]
    found: str = line["state"]
    return found


def runs_of(shell: Shell, subject: str) -> list[str]:
    return [run["run"] for run in shell.json("trace", subject)["runs"]]


def verdict(shell: Shell, bundle: str) -> str:
    words = [
        "-m",
        "cloister_verify",
        bundle,
        "--trust",
        str(shell.home / "cloister-lab/lab.pub"),
    ]
    done = subprocess.run(
        [sys.executable, *words], cwd=shell.folder, capture_output=True, text=True, check=False
    )
    return done.stdout.splitlines()[-1]


def test_a_model_still_in_training_when_its_patient_withdraws_is_flagged(
    training: Shell,
) -> None:
    job = 'trap "cp seed.onnx made.onnx; exit 0" INT; echo ready; sleep 600 & wait'
    running = training.start("run", "--data", "data1", "--", "sh", "-c", job)
    assert running.stdout is not None
    assert running.stdout.readline() == "ready\n"
    done = training.json("erase", "-", *REASON, "--certificate", "proof", typed="P001\n")
    assert done["models"] == []
    assert any("has not ended" in what for what in done["remains"])
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=120)
    assert running.returncode == 0
    (run,) = training.json("ls", "--runs")
    assert state(training, run["run"]) == "TAINTED"
    assert "E201" in training("serve", "last", status=3).stderr
    for about in ("last", done["operation"]):
        training("prove", about, "-o", about)
        assert verdict(training, about) == "VERIFIED"
    assert training.json("audit")["whole"]


def test_a_model_made_after_the_erasure_is_not_the_patients(training: Shell) -> None:
    subject = pseudonym(training, "P001")
    before = train(training, "data1")
    training("erase", subject, *REASON)
    after = train(training, "data1")
    assert runs_of(training, subject) == [before]
    assert (state(training, before), state(training, after)) == ("TAINTED", "sound")


def a_split_apart(shell: Shell, one: str, other: str) -> dict[str, str]:
    """Defines a split that deals two patients out to different parts; gives their parts."""
    for seed in range(100):
        split = Split("fold", seed, parse_parts(PARTS))
        parts = {name: split.part_of(name) for name in (one, other)}
        if len(set(parts.values())) == 2:
            shell("dataset", "split", "data1", "fold", "--parts", PARTS, "--seed", str(seed))
            return parts
    raise AssertionError


def test_a_link_made_later_hides_no_model(training: Shell) -> None:
    one, other = sorted(pseudonym(training, name) for name in ("P001", "P002"))
    parts = a_split_apart(training, one, other)
    run = train(training, f"data1:fold:{parts[other]}")
    training("subject", "link", one, other)  # from now on both are in the other part
    assert run in runs_of(training, one)
    training("erase", one, *REASON)
    assert state(training, run) == "TAINTED"


def test_a_link_taken_back_hides_no_model(training: Shell) -> None:
    one, other = sorted(pseudonym(training, name) for name in ("P001", "P002"))
    parts = a_split_apart(training, one, other)
    training("subject", "link", one, other)
    run = train(training, f"data1:fold:{parts[one]}")  # both were in it
    training("subject", "unlink", other, one)
    assert run in runs_of(training, other)
    assert runs_of(training, one) == [run]
    training("erase", other, *REASON)
    assert state(training, run) == "TAINTED"
    assert training.json("audit")["whole"]


def test_a_second_name_found_after_an_erasure_can_be_erased_as_well(scans: Shell) -> None:
    one, other = (pseudonym(scans, name) for name in ("P001", "P002"))
    scans("erase", one, *REASON)
    scans("subject", "link", one, other)
    scans("erase", one, *REASON)
    assert scans.json("trace", other)["erased"] is not None
    assert "E102" in scans("erase", one, *REASON, status=2).stderr


def sql(shell: Shell, statement: str, *parameters: Any) -> list[Any]:
    return shell.sql(statement, *parameters)


def test_whoever_may_not_erase_works_on_and_whoever_decided_stays_named(scans: Shell) -> None:
    subject = pseudonym(scans, "P001")
    ((person,),) = sql(scans, "SELECT person FROM person")
    decided = "per_aaaaaaaaaaaaaaaa"
    row = ("op_aaaaaaaaaaaaaaaa", subject, 0, "intended", decided, "asked", 1)
    sql(scans, "INSERT INTO erasure VALUES (?, ?, ?, ?, ?, ?, ?, NULL)", *row)
    sql(scans, "UPDATE person SET role = 'engineer'")
    assert len(scans.json("ls", "data1")) == 12
    assert sql(scans, "SELECT state FROM erasure") == [("intended",)]
    sql(scans, "UPDATE person SET role = 'admin'")
    scans("ls")
    assert sql(scans, "SELECT state FROM erasure") == [("completed",)]
    ((place,),) = sql(scans, "SELECT completed FROM erasure")
    ((leaf,),) = sql(scans, "SELECT leaf FROM ledger_leaf WHERE position = ?", place)
    event = json.loads(leaf)
    assert event["actor"] == person
    payload = json.loads(event["body"]["certificate"])["payload"]
    assert decided in base64.b64decode(payload).decode()


@pytest.mark.parametrize(("reason", "status"), [("id 1 left", 2), ("1", 2), ("section 17", 0)])
def test_a_short_id_is_found_as_a_word(lab: Shell, reason: str, status: int) -> None:
    (lab.folder / "s").mkdir()
    (lab.folder / "s/1.txt").write_text("1")
    lab("add", "s", "--subject-pattern", "^(.)")
    lab("erase", "-", "--reason", reason, "--yes", typed="1\n", status=status)
