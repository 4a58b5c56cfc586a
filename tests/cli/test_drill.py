"""`cloister drill`: every disaster rehearsed on copies, measured, on record, good or bad."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from cloister.testing.onnx_models import linear
from tests.conftest import Shell, new_lab, write_scans
from tests.recovery.keeping import copy_keys

RULES = ("--subject-pattern", "^([^/]+)/")
ALL = (
    "process-kill",
    "disk-loss",
    "box-loss",
    "deleted-by-mistake",
    "ransomware",
    "bit-rot",
    "lost-key-provider",
)


@pytest.fixture(scope="module")
def ready() -> Iterator[Shell]:
    """A lab with data and a model, a backup, a copy of the keys, room for drills."""
    with new_lab() as shell:
        write_scans(shell.folder / "scans")
        (shell.folder / "seed.onnx").write_bytes(linear())
        shell("add", "scans", *RULES)
        shell("run", "--", "sh", "-c", "cp seed.onnx model.onnx", "scans")
        shell("backup", "init", "../second")
        shell("backup", "run")
        (shell.folder / "room").mkdir()
        yield shell


def drilled(shell: Shell, *words: str, status: int = 0) -> list[dict[str, Any]]:
    done = shell("--json", "drill", "--in", "room", *words, status=status)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    assert list((shell.folder / "room").iterdir()) == []
    return found


def on_record(shell: Shell) -> list[dict[str, Any]]:
    rows = shell.sql(
        "SELECT leaf FROM ledger_leaf WHERE instr(leaf, ?) > 0 ORDER BY position",
        b'"drill.completed"',
    )
    return [json.loads(leaf)["body"] for (leaf,) in rows]


def test_every_disaster_is_rehearsed_and_on_record(ready: Shell) -> None:
    keys = copy_keys(ready)
    ready("unlock")
    before = ready.json("ls", "data1")
    ready("backup", "run")
    done = drilled(ready, "--scenario", "all", "--keys", str(keys))
    assert [one["scenario"] for one in done] == list(ALL)
    for one in done:
        assert one["outcome"] == "passed", one
        assert (one["readable"], one["rpo_ms"]) == (one["records"], 0), one
        assert one["rto_ms"] > 0
        assert one["prediction"] == ("none" if one["scenario"] == ALL[-1] else "same"), one
    assert [one["scenario"] for one in on_record(ready)[-7:]] == list(ALL)
    assert ready.json("audit")["whole"]
    assert ready.json("ls", "data1") == before
    assert ready.json("doctor", "--scrub")


def test_what_would_be_lost_is_measured(ready: Shell) -> None:
    ready("backup", "run")
    time.sleep(1.1)
    write_scans(ready.folder / "later", 1)
    ready("add", "later", *RULES)
    (one,) = drilled(ready)
    assert one["outcome"] == "passed"
    assert one["rpo_ms"] > 1000


def test_without_a_copy_of_the_keys_their_loss_is_not_called_rehearsed(ready: Shell) -> None:
    done = drilled(ready, "--scenario", "box-loss", "--scenario", "lost-key-provider")
    assert [one["outcome"] for one in done] == ["not rehearsed"] * 2
    assert all("--keys" in one["says"] for one in done)


def test_a_copy_of_the_keys_that_is_too_old_fails_the_drill(ready: Shell) -> None:
    keys = copy_keys(ready)
    ready("unlock")
    write_scans(ready.folder / "newer", 9)  # five of them unknown to that copy
    ready("add", "newer", *RULES)
    words = ("--scenario", "lost-key-provider", "--keys", str(keys))
    (one,) = drilled(ready, *words, status=6)
    assert one["outcome"] == "failed"
    assert on_record(ready)[-1]["outcome"] == "failed"


def test_a_rotten_backup_fails_the_drill_and_that_is_on_record(ready: Shell) -> None:
    ready("backup", "run")
    blob = next(path for path in (ready.folder / "../second/raw").rglob("*") if path.is_file())
    sound = blob.read_bytes()
    blob.chmod(0o600)
    blob.write_bytes(sound[:100] + bytes([sound[100] ^ 1]) + sound[101:])
    try:
        (one,) = drilled(ready, status=6)
        assert one["outcome"] == "failed"
        assert "damaged" in one["says"]
        assert on_record(ready)[-1]["outcome"] == "failed"
    finally:
        blob.write_bytes(sound)


def said_of_copy(shell: Shell) -> str:
    (found,) = (one for one in shell.json("doctor") if one["what"] == "second copy")
    return str(found["says"])


def test_the_second_copy_of_the_keys_is_what_a_lost_box_comes_back_with(
    ready: Shell,
) -> None:
    ready("keys", "copy", str(ready.folder.parent / "copied-keys"))
    try:
        write_scans(ready.folder / "copied", 20)
        ready("add", "copied", *RULES)
        ready("backup", "run")
        done = drilled(ready, "--scenario", "box-loss", "--scenario", "lost-key-provider")
        for one in done:
            assert one["outcome"] == "passed", one
            assert one["readable"] == one["records"], one
        assert "up to date" in said_of_copy(ready)  # the rehearsal wrote nothing there
        found = {one["class"]: one for one in ready.json("backup", "policy")}
        assert found["keys"]["kept"]
        assert found["keys"]["rpo_s"] == 0
    finally:
        ready("keys", "copy", "--forget")
    found = {one["class"]: one for one in ready.json("backup", "policy")}
    assert found["keys"]["kept"] is None


def test_a_schedule_can_be_pasted(ready: Shell) -> None:
    assert "drill" in ready("drill", "--schedule").stdout


def test_what_rots_in_the_lab_comes_back_from_the_backup(ready: Shell) -> None:
    write_scans(ready.folder / "others", 12)
    ready("add", "others", *RULES)
    ready("backup", "run")
    store = ready.home / "cloister-lab/store"
    blobs = sorted(path for path in (store / "raw").rglob("*") if path.is_file())
    kept = {path: path.read_bytes() for path in blobs}
    blobs[0].chmod(0o600)
    blobs[0].write_bytes(b"rot" + kept[blobs[0]][3:])
    blobs[1].unlink()
    assert ready.json("doctor", "--scrub", status=6)
    assert len(ready.json("backup", "mend")["mended"]) == 2
    assert {path: path.read_bytes() for path in blobs} == kept
    assert [path.read_bytes()[:3] for path in (store / ".damaged").iterdir()] == [b"rot"]
    assert ready.json("backup", "mend")["mended"] == []
    assert ready.json("audit")["whole"]


def test_what_the_backup_lacks_as_well_is_not_taken_from_the_lab(ready: Shell) -> None:
    store = ready.home / "cloister-lab/store"
    second = ready.folder.parent / "second"
    twin = next(path for path in (second / "raw").rglob("*") if path.is_file())
    blob = store / twin.relative_to(second)
    sound = blob.read_bytes()
    for path in (blob, twin):
        path.chmod(0o600)
        path.write_bytes(b"rot" + sound[3:])
    try:
        ready("backup", "mend", status=6)
        assert blob.read_bytes() == b"rot" + sound[3:]
    finally:
        blob.write_bytes(sound)
        twin.write_bytes(sound)


def test_the_policy_is_compared_with_what_was_measured(ready: Shell) -> None:
    ready("backup", "run")
    drilled(ready)
    ready("backup", "run")
    found = {one["class"]: one for one in ready.json("backup", "policy")}
    assert list(found) == ["raw", "derived", "metadata", "keys", "endpoint", "cache"]
    assert found["metadata"]["kept"]
    assert found["raw"]["bytes"] > 0
    assert found["endpoint"]["bytes"] > 0
    toml = ready.home / "cloister-lab/cloister.toml"
    text = toml.read_text()
    toml.write_text(text + "\n[recovery]\nmetadata = { rpo_s = 60, rto_s = 0 }\n")
    try:
        refused = ready("backup", "policy", status=6)
        assert "NOT KEPT: it takes too long" in refused.stdout
        said = [one["says"] for one in ready.json("doctor") if one["what"] == "recovery"]
        assert said == ["metadata: NOT KEPT: it takes too long"]
        toml.write_text(text + "\n[recovery]\nmetdata = { rpo_s = 60 }\n")
        assert "did you mean metadata?" in ready("ls", status=2).stderr
        toml.write_text(text + '\n[recovery]\nraw = { rpo_s = "1 h" }\n')
        assert "number of seconds" in ready("ls", status=2).stderr
    finally:
        toml.write_text(text)


def test_the_policy_comes_back_with_the_lab(ready: Shell) -> None:
    toml = ready.home / "cloister-lab/cloister.toml"
    text = toml.read_text()
    toml.write_text(text + "\n[recovery]\nraw = { rpo_s = 7, rto_s = 70 }\n")
    try:
        write_scans(ready.folder / "again", 13)
        ready("add", "again", *RULES)
        ready("backup", "run")
    finally:
        toml.write_text(text)
    ready("restore", "../second", "--to", "with-policy", "--copy-only")
    assert (
        "raw = { rpo_s = 7, rto_s = 70 }"
        in (ready.folder / "with-policy/cloister.toml").read_text()
    )
