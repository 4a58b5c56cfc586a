"""Every example in the fence, as large as its page says: the commands a newcomer would type.

Everything happens in ./demo/examples and is made anew at each run. The contracts are looked for
where CLOISTER_TEST_DATA says, else in ../shared/data; without them that example is left out.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from cloister.cli.tour import Tour, TourEnded

ROOT = Path(__file__).resolve().parent.parent
PLACE = ROOT / "demo/examples"
TOUR = Tour(PLACE, PLACE, os.environ)
CONTRACTS = "contracts/smartbugs_curated.jsonl"


def main() -> int:
    """Runs them all; non-zero if any does not do what it should."""
    sys.stdout.reconfigure(line_buffering=True)  # in order with what the commands print
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir(parents=True, mode=0o700)
    TOUR.prepare()
    try:
        TOUR.run("init", "lab")
        tables()
        generation()
        reentrancy()
    except TourEnded as stop:
        raise SystemExit(f"FAILED: {stop}") from stop
    finally:
        TOUR.end()
    return 0


def tables() -> None:
    """The studies of patients."""
    for name in ("cancer", "diabetes"):
        make(f"{name}/data.py")
        TOUR.run("add", name, "--name", name, "--subject-column", "patient_id")
    for script, command in (
        ("cancer/train.py", ("python", "train.py", "--data", "cancer")),
        ("study/search.py", ("python", "search.py", "--data", "cancer", "--trials", "40")),
        ("pipeline/run.sh", ("sh", "run.sh", "cancer")),
        ("progress/train.py", ("python", "train.py", "--data", "diabetes")),
        ("lightning/train.py", ("python", "train.py", "--data", "diabetes")),
    ):
        fenced(script, *command)


def generation() -> None:
    """A small GPT-2."""
    make("generate/make_model.py", ROOT / "LICENSE", "tiny-gpt2", "--steps", "300")
    hub("tiny-gpt2")
    fenced("generate/generate.py", "python", "generate.py", model="tiny-gpt2")


def reentrancy() -> None:
    """A small DistilBERT on real contracts."""
    beside = ROOT.parent / "shared/data"
    collection = Path(os.environ.get("CLOISTER_TEST_DATA", beside)) / CONTRACTS
    if not collection.is_file():
        print(f"\nleft out: {CONTRACTS} is not here")
        return
    make("contracts/data.py", collection)
    make("contracts/make_model.py", "contracts", "solidity-distilbert")
    hub("solidity-distilbert")
    TOUR.run("add", "contracts", "--name", "contracts", "--subject-pattern", "(family-[0-9]+)/")
    command = ("python", "train.py", "--data", "contracts")
    fenced("contracts/train.py", *command, model="solidity-distilbert")


def fenced(script: str, *command: str, model: str = "") -> None:
    """A copy of the script beside the data, and its run.

    The model is named: git ignores this folder, and code that it ignores is not looked at.
    """
    TOUR.heading(script)
    shutil.copy(ROOT / "examples" / script, PLACE)
    given = ("--hub", f"lab/{model}") if model else ()
    TOUR.run("run", *given, "--", *command)


def hub(name: str) -> None:
    """A folder becomes a model of the hub."""
    TOUR.run("hub", "add", name, "--name", f"lab/{name}", "--license", "apache-2.0")


def make(script: str, *words: str | Path) -> None:
    """A script that prepares something, outside the fence."""
    command = [sys.executable, str(ROOT / "examples" / script), *map(str, words)]
    subprocess.run(command, cwd=PLACE, check=True)


if __name__ == "__main__":
    raise SystemExit(main())
