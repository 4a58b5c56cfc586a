"""Every example in the fence, as large as its page says: the commands a newcomer would type.

Everything happens in ./demo/examples and is made anew at each run. Contracts and series are
looked for where CLOISTER_TEST_DATA says, else in ../shared/data; without them those examples
are left out. ``--publish`` writes what the pipelines found into their pages.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from cloister.cli.tour import Tour, TourEnded

ROOT = Path(__file__).resolve().parent.parent
PLACE = ROOT / "demo/examples"
TOUR = Tour(PLACE, PLACE, os.environ)
DATA = Path(os.environ.get("CLOISTER_TEST_DATA", ROOT.parent / "shared/data"))
RESULTS = re.compile(r"(?<=<!-- results -->\n).*(?=<!-- end of results -->)", re.DOTALL)


def main() -> int:
    """Runs them all, or those named; non-zero if any does not do what it should."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("only", nargs="*", metavar="NAME", help=f"of {', '.join(ALL)}")
    parser.add_argument("--publish", action="store_true", help="renew the pages' results")
    options = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # in order with what the commands print
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir(parents=True, mode=0o700)
    TOUR.prepare()
    try:
        TOUR.run("init", "lab")
        for name in options.only or ALL:
            ALL[name]()
            if options.publish and (PLACE / name / "results.md").is_file():
                publish(name)
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
    searched("sweep")


def searched(example: str) -> None:
    """Its sweep, and the best of it once more."""
    TOUR.heading(f"{example}/sweep.yaml")
    for name in ("train.py", "sweep.yaml"):
        shutil.copy(ROOT / "examples" / example / name, PLACE)
    TOUR.run("sweep", "sweep.yaml", "--jobs", "2")
    TOUR.run("sweep", "show")
    TOUR.run("reproduce", TOUR.ask("sweep", "show")["best"]["run"])


def generation() -> None:
    """A small GPT-2."""
    make("generate/make_model.py", ROOT / "LICENSE", "tiny-gpt2", "--steps", "300")
    hub("tiny-gpt2")
    fenced("generate/generate.py", "python", "generate.py", model="tiny-gpt2")


def reentrancy() -> None:
    """A small DistilBERT on real contracts."""
    collection = DATA / "contracts/smartbugs_curated.jsonl"
    if not collection.is_file():
        print(f"\nleft out: {collection.name} is not here")
        return
    make("contracts/data.py", collection)
    make("contracts/make_model.py", "contracts", "solidity-distilbert")
    hub("solidity-distilbert")
    TOUR.run("add", "contracts", "--name", "contracts", "--subject-pattern", "(family-[0-9]+)/")
    command = ("python", "train.py", "--data", "contracts")
    fenced("contracts/train.py", *command, model="solidity-distilbert")


def forecast() -> None:
    """DeepAR and three others on real series, and its claims."""
    if not (DATA / "forecast").is_dir():
        print("\nleft out: the series are not here")
        return
    make("forecast/data.py", DATA / "forecast")
    TOUR.run("add", "series", "--name", "series", "--subject-column", "item", "--no-checks")
    steps = flow("forecast")
    TOUR.run("get", steps["report"], "results.md", "-o", "forecast/results.md")
    proven(steps["export"])


def flow(example: str) -> dict[str, str]:
    """A copy of the example's folder, its pipeline run in it; the run of each step."""
    TOUR.heading(f"{example}/flow.py")
    shutil.copytree(ROOT / "examples" / example, PLACE / example)
    TOUR.run("pipeline", "run", "flow.py", "--workdir", example)
    return {one["step"]: one["run"] for one in TOUR.ask("pipeline", "show")["tasks"]}


def proven(run: str) -> None:
    """The bundle of a run, and its check by the verifier alone."""
    bundle = f"bundle-{run}"
    TOUR.run("prove", run, "-o", bundle)
    TOUR.run("verifier", "cloister_verify.py")
    command = [sys.executable, "-I", "cloister_verify.py", bundle, "--trust", "lab/lab.pub"]
    TOUR.show("python", *command[2:])
    subprocess.run(command, cwd=PLACE, check=True)


def publish(example: str) -> None:
    """What an example found, between the marks of its page."""
    page = ROOT / "examples" / example / "README.md"
    found = (PLACE / example / "results.md").read_text()
    page.write_text(RESULTS.sub(lambda _: f"\n{found}", page.read_text()))


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


ALL = {
    "tables": tables,
    "generation": generation,
    "contracts": reentrancy,
    "forecast": forecast,
}

if __name__ == "__main__":
    raise SystemExit(main())
