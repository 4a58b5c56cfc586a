"""Claim: an MLflow store that came from elsewhere makes an import read nothing but itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cloister.tracking.inputs import Inputs
from cloister.tracking.stock import StockExperiment, StockRun, StockTrace, open_store
from cloister.tracking.stock.walking import files
from cloister.tracking.stock.writing import FolderWriter


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with one run, as an attacker may hand it over; beside it a secret."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/key.txt").write_text("private\n")
    writer = FolderWriter(tmp_path / "mlruns")
    writer.begin()
    writer.experiment(StockExperiment("1", "x", "active", 0, ()))
    run = StockRun("a" * 32, "1", "r", "", "FINISHED", 0, None, "active", (), (), None)
    writer.run(run, (), Inputs([], [], []))
    return tmp_path / "mlruns"


def taken(store: Path) -> list[str]:
    """The artifacts that an import would seal."""
    opened = open_store(str(store))
    return [
        file.read_text()
        for one in opened.experiments()
        for run in opened.runs(one.id)
        if run.artifacts is not None
        for _, file in files(run.artifacts)
    ]


def rewritten(store: Path, address: str) -> None:
    """The run says that its artifacts are somewhere else."""
    meta = store / "1" / ("a" * 32) / "meta.yaml"
    text = meta.read_text()
    mine = (meta.parent / "artifacts").as_uri()
    assert mine in text
    meta.write_text(text.replace(mine, address))


def test_artifacts_elsewhere_on_the_machine_are_not_taken(store: Path) -> None:
    (store / "1" / ("a" * 32) / "artifacts/mine.txt").write_text("mine\n")
    assert taken(store) == ["mine\n"]
    secret = store.parent / "secret"
    for address in (secret.as_uri(), str(secret), f"{store.as_uri()}/../secret"):
        rewritten(store, address)
        assert "private\n" not in taken(store)
        rewritten_back(store, address)


def rewritten_back(store: Path, address: str) -> None:
    """The run says again where its artifacts are."""
    meta = store / "1" / ("a" * 32) / "meta.yaml"
    mine = (meta.parent / "artifacts").as_uri()
    meta.write_text(meta.read_text().replace(address, mine))


def test_links_are_not_followed(store: Path) -> None:
    artifacts = store / "1" / ("a" * 32) / "artifacts"
    (artifacts / "link.txt").symlink_to(store.parent / "secret/key.txt")
    (artifacts / "folder").symlink_to(store.parent / "secret")
    assert taken(store) == []
    params = store / "1" / ("a" * 32) / "params"
    (params / "stolen").symlink_to(store.parent / "secret/key.txt")
    opened = open_store(str(store))
    (run,) = opened.runs("1")
    assert run.params == ()


def test_a_folder_of_artifacts_that_is_a_link_is_not_followed(store: Path) -> None:
    artifacts = store / "1" / ("a" * 32) / "artifacts"
    artifacts.rmdir()
    artifacts.symlink_to(store.parent / "secret")
    assert taken(store) == []


def test_spans_that_are_a_link_are_not_read(store: Path) -> None:
    span = {"trace_id": "ab" * 16, "span_id": "cd" * 8, "start_time_unix_nano": 1}
    secret = store.parent / "secret/traces.json"
    secret.write_text(json.dumps({"spans": [span]}))
    trace = StockTrace(
        f"tr-{'ab' * 16}", "1", 1, 1, "OK", None, None, None, (), (), (), None
    )  # fmt: skip
    writer = FolderWriter(store.parent / "other")
    writer.begin()
    writer.experiment(StockExperiment("1", "x", "active", 0, ()))
    file = writer.trace(trace) / "traces.json"
    for there, count in ((False, 0), (True, 1)):
        file.unlink(missing_ok=True)
        if there:
            file.write_text(secret.read_text())
        else:
            file.symlink_to(secret)
        (found,) = open_store(str(store.parent / "other")).traces("1")
        assert len(found.spans or ()) == count
