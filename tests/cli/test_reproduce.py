"""`cloister reproduce`, as typed: every verdict and every cause, each from a real change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Shell

TRAIN = """
import csv, hashlib, json, os, random, sys
from pathlib import Path

RATE = 0.1
workers = int(sys.argv[sys.argv.index("--workers") + 1]) if "--workers" in sys.argv else 1
rows = [row for p in sorted(Path("ward").glob("*.csv")) for row in csv.DictReader(p.open())]
drawn = [random.Random(worker).random() for worker in range(workers)]
weight = 0.0
for epoch in range(20):
    for place, row in enumerate(rows):
        error = float(row["label"]) - weight * float(row["x"])
        weight += RATE * error * float(row["x"]) + 1e-12 * drawn[place % workers]
Path("out").mkdir(exist_ok=True)
Path("out/metrics.json").write_text(json.dumps({"weight": weight, "rows": len(rows)}))
Path("model.bin").write_bytes(repr(round(weight, 6)).encode())
"""


def write_ward(folder: Path, flipped: int | None = None) -> None:
    folder.mkdir(exist_ok=True)
    lines = ["patient,x,label"]
    for patient in range(12):
        label = (patient % 2) ^ (patient == flipped)
        lines.append(f"P{patient:03d},{patient / 12},{label}")
    (folder / "ward.csv").write_text("\n".join(lines) + "\n")


def add_ward(lab: Shell) -> None:
    lab("add", "ward", "--subject-column", "patient")


@pytest.fixture
def trained(lab: Shell) -> Shell:
    """A lab with a table of twelve patients, and one run of a small training script."""
    write_ward(lab.folder / "ward")
    add_ward(lab)
    (lab.folder / "train.py").write_text(TRAIN)
    lab("run", "--", "python3", "train.py", "ward", "--workers", "2")
    return lab


def verdict(lab: Shell, *words: str, status: int = 0) -> Any:
    done = lab("--json", "reproduce", first(lab), *words, status=status)
    return json.loads(done.stdout)


def first(lab: Shell) -> str:
    run: str = lab.json("ls", "--runs")[0]["run"]
    return run


def test_the_same_again_is_identical(trained: Shell) -> None:
    found = verdict(trained)
    assert found["verdict"] == "IDENTICAL"
    assert {one["path"] for one in found["outputs"]} == {"out/metrics.json", "model.bin"}
    assert found["replays"] == 1
    assert trained.json("audit")["whole"]


def test_code_and_data_come_from_the_record_and_not_from_the_folder(trained: Shell) -> None:
    (trained.folder / "train.py").unlink()
    write_ward(trained.folder / "ward", flipped=3)
    add_ward(trained)
    assert verdict(trained)["verdict"] == "IDENTICAL"


def test_the_whole_folder_may_be_gone(trained: Shell) -> None:
    import shutil

    elsewhere = Shell(trained.folder.parent, trained.home)
    shutil.rmtree(trained.folder)
    assert verdict(elsewhere)["verdict"] == "IDENTICAL"
    trained.folder.mkdir()  # where the fixture's own last command starts


def test_a_changed_line_of_code_is_named(trained: Shell) -> None:
    (trained.folder / "train.py").write_text(TRAIN.replace("RATE = 0.1", "RATE = 0.2"))
    found = verdict(trained, "--no-reimpose", "code", status=11)
    assert (found["verdict"], found["cause"]) == ("DIFFERENT", "code")
    (difference,) = found["differences"]
    assert difference["detail"] == ["train.py line 5: 'RATE = 0.1' -> 'RATE = 0.2'"]


def test_a_flipped_label_is_named(trained: Shell) -> None:
    write_ward(trained.folder / "ward", flipped=3)
    add_ward(trained)
    found = verdict(trained, "--no-reimpose", "data", status=11)
    assert (found["verdict"], found["cause"]) == ("DIFFERENT", "data")
    (difference,) = found["differences"]
    assert "1 record added, 1 removed" in difference["detail"][0]


def test_another_count_of_workers_is_named_and_within_the_tolerance(trained: Shell) -> None:
    found = verdict(trained, "--set", "workers=1", "--tolerance", "1e-6", status=10)
    assert (found["verdict"], found["cause"]) == ("EQUIVALENT", "workers")
    found = verdict(trained, "--set", "workers=1", "--tolerance", "1e-15", status=11)
    assert (found["verdict"], found["cause"]) == ("DIFFERENT", "workers")


def test_of_two_changes_the_one_that_makes_the_difference_is_named(trained: Shell) -> None:
    (trained.folder / "train.py").write_text("# a comment\n" + TRAIN)
    words = ("--no-reimpose", "code", "--set", "workers=1", "--no-reimpose", "threads")
    found = verdict(trained, *words, status=10)
    assert found["cause"] == "workers"
    assert found["replays"] == 3


def test_two_changes_that_work_together_are_named_together(trained: Shell) -> None:
    (trained.folder / "train.py").write_text(TRAIN.replace("RATE = 0.1", "RATE = 0.2"))
    write_ward(trained.folder / "ward", flipped=3)
    add_ward(trained)
    words = ("--no-reimpose", "code", "--no-reimpose", "data")
    assert verdict(trained, *words, status=11)["cause"] == "code+data"


def test_what_differs_from_itself_is_nondeterminism(trained: Shell) -> None:
    trained("run", "--", "python3", "-c", "import os; open('o', 'wb').write(os.urandom(8))")
    found = trained("--json", "reproduce", "last", status=11)
    assert json.loads(found.stdout)["cause"] == "nondeterminism"


def test_a_hash_seed_is_imposed_and_named(trained: Shell) -> None:
    code = "open('o.txt', 'w').write(str(list({str(n) for n in range(50)})))"
    trained("run", "--seed", "7", "--", "python3", "-c", code)
    last = trained.json("ls", "--runs")[-1]["run"]
    assert trained.json("reproduce", last)["verdict"] == "IDENTICAL"
    found = json.loads(
        trained("--json", "reproduce", last, "--set", "seed=8", status=11).stdout
    )
    assert found["cause"] == "seed"


def test_after_an_erasure_nothing_is_replayed_and_the_count_is_said(trained: Shell) -> None:
    trained("erase", "-", "--reason", "withdrawn", "--yes", typed="P003\n")
    runs = len(trained.json("ls", "--runs"))
    found = verdict(trained, status=12)
    assert (found["verdict"], found["erased"]) == ("UNREPRODUCIBLE", 1)
    assert len(trained.json("ls", "--runs")) == runs


def test_a_run_that_was_never_finished_cannot_be_compared(trained: Shell) -> None:
    process = trained.start("run", "--", "sh", "-c", "echo ready; sleep 60")
    assert process.stdout is not None
    process.stdout.readline()
    process.kill()
    process.communicate()
    assert "interrupted" in trained("reproduce", "last", status=2).stderr


def test_the_verdict_is_on_record_and_shown(trained: Shell) -> None:
    verdict(trained)
    runs = trained.json("ls", "--runs")
    assert runs[0]["state"] == "finished (IDENTICAL)"
    assert runs[1]["state"] == "finished (replay)"
    assert "IDENTICAL" in trained("ls", runs[0]["run"]).stdout
    assert "IDENTICAL" in trained("trace", "-", typed="P003\n").stdout


@pytest.mark.parametrize(
    "words",
    [
        ("--here", "--locked"),
        ("--set", "threads=many"),
        ("--set", "instructions=avx3"),
        ("--set", "color=blue"),
        ("--set", "data=nobody@1"),
        ("--set", "workers=some"),
        ("--tolerance", "inf"),
    ],
)
def test_a_choice_that_means_nothing_is_refused(trained: Shell, words: tuple[str, ...]) -> None:
    trained("reproduce", "last", *words, status=2)
