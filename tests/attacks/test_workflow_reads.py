"""Claim: whoever sees what is sealed may read, and is on record before the first byte."""

from __future__ import annotations

import json

import pytest

from cloister.testing.onnx_models import linear
from tests.conftest import Shell


@pytest.fixture
def trained(scans: Shell) -> Shell:
    """`scans`, and a run that left a model."""
    (scans.folder / "seed.onnx").write_bytes(linear())
    scans("run", "--data", "data1", "--", "cp", "seed.onnx", "made.onnx")
    return scans


def events(shell: Shell) -> list[dict[str, object]]:
    rows = shell.sql("SELECT leaf FROM ledger_leaf ORDER BY position")
    return [json.loads(leaf) for (leaf,) in rows]


def become(shell: Shell, role: str) -> None:
    shell.sql("UPDATE person SET role = ?", role)


@pytest.mark.parametrize(
    ("words", "purpose"),
    [
        (("ls", "data1"), "list"),
        (("ls", "data1", "--quarantine"), None),
        (("ls", "last"), "list"),
        (("get", "last", "log"), "get"),
        (("get", "data1", "-o", "copy"), "get"),
        (("prove", "last", "-o", "bundle"), "prove"),
        (("run", "--data", "data1", "--", "true"), "run"),
        (("ls",), None),
        (("ls", "--runs"), None),
        (("trace", "-"), None),
    ],
)
def test_what_is_read_is_on_record(
    trained: Shell, words: tuple[str, ...], purpose: str | None
) -> None:
    before = len(events(trained))
    trained(*words, typed="P001\n")
    new = [event for event in events(trained)[before:] if str(event["type"])[:5] == "read."]
    kinds = [event["type"] for event in new]
    assert kinds == ([] if purpose is None else ["read.begun", "read.ended"])
    assert purpose is None or new[0]["body"]["purpose"] == purpose  # type: ignore[index]
    assert all("may" in str(event["reason"]) for event in new)


def test_a_damaged_record_is_on_record_as_asked_for(scans: Shell) -> None:
    record = scans.json("ls", "data1")[0]["record"]
    (pack,) = (path for path in (scans.home / "cloister-lab/store/raw").rglob("*/*/*"))
    pack.chmod(0o600)
    content = bytearray(pack.read_bytes())
    content[200:220] = bytes(20)
    pack.write_bytes(content)
    before = len(events(scans))
    scans("get", record, "-o", "x", status=6)
    assert not (scans.folder / "x").exists()
    assert "read.begun" in [event["type"] for event in events(scans)[before:]]


@pytest.mark.parametrize("role", ["auditor", "service"])
def test_who_may_not_read_sees_no_name(trained: Shell, role: str) -> None:
    become(trained, role)
    seen = ""
    for words in (("ls",), ("ls", "data1"), ("ls", "last"), ("ls", "--runs")):
        done = trained(*words, status=None)
        seen += done.stdout
        assert done.returncode == (0 if role == "auditor" else 3)
    assert ("(sealed)" in seen) == (role == "auditor")
    for word in ("P00", "scans", "seed", "made", "cp "):
        assert word not in seen
    assert "E201" in trained("get", "last", "log", status=3).stderr


def test_who_may_not_list_cannot_ask_whether_somebody_is_a_patient(scans: Shell) -> None:
    become(scans, "service")
    for words in (("subject", "pseudonym", "-"), ("trace", "-"), ("page", "-")):
        said = scans(*words, typed="P001\n", status=3).stderr
        assert "E201" in said
        assert "may not list" in said
