"""Every example in the fence, as large as its page says: the commands a newcomer would type.

Everything happens in ./demo/examples and is made anew at each run. Contracts and series are
looked for where CLOISTER_TEST_DATA says, else in ../shared/data; without them those examples
are left out. ``--publish`` writes what the pipelines found into their pages, and keeps the
bundles that prove it in examples/proofs.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from cloister.cli.tour import Tour, TourEnded

ROOT = Path(__file__).resolve().parent.parent
PLACE = ROOT / "demo/examples"
TOUR = Tour(PLACE, PLACE, os.environ)
DATA = Path(os.environ.get("CLOISTER_TEST_DATA", ROOT.parent / "shared/data"))


def main() -> int:
    """Runs them all, or those named; non-zero if any does not do what it should."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("only", nargs="*", metavar="NAME", help=f"of {', '.join(ALL)}")
    parser.add_argument("--publish", action="store_true", help="renew results and proofs")
    options = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # in order with what the commands print
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir(parents=True, mode=0o700)
    TOUR.prepare()
    try:
        TOUR.run("init", "lab")
        TOUR.run("verifier", "cloister_verify.py")
        for name in options.only or ALL:
            ALL[name]()
            if options.publish:
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
    for name in ("train.py", "sweep.yaml"):
        shutil.copy(ROOT / "examples/sweep" / name, PLACE)
    TOUR.run("reproduce", sweep("."))


def generation() -> None:
    """A small GPT-2."""
    make("generate/make_model.py", ROOT / "LICENSE", "tiny-gpt2", "--steps", "300")
    hub("tiny-gpt2")
    fenced("generate/generate.py", "python", "generate.py")


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
    fenced("contracts/train.py", "python", "train.py", "--data", "contracts")


def forecast() -> None:
    """DeepAR and three others on real series, and its claims."""
    if not (DATA / "forecast").is_dir():
        print("\nleft out: the series are not here")
        return
    shutil.copytree(ROOT / "examples/forecast", PLACE / "forecast")
    make("forecast/data.py", DATA / "forecast", "forecast")
    named = ("--name", "series", "--subject-column", "item", "--no-checks")
    TOUR.run("add", "forecast/series", *named)
    steps = flow("forecast")
    TOUR.run("get", steps["report"], "results.md", "-o", "forecast/results.md")
    prove(steps["export"], "proofs/forecast/model")
    prove(sweep("forecast"), "proofs/forecast/best-trial")


def chest() -> None:
    """Six patients' scans to a model that outlines tumours, served and proven."""
    if not (DATA / "sts/dicom").is_dir():
        print("\nleft out: the scans are not here")
        return
    shutil.copytree(ROOT / "examples/chest", PLACE / "chest")
    shutil.copytree(DATA / "sts/dicom", PLACE / "chest/dicom")
    TOUR.run("add", "chest/dicom", "--name", "scans", "--no-checks")
    steps = flow("chest")
    TOUR.run("get", steps["report"], "results.md", "-o", "chest/results.md")
    prove(steps["export"], "proofs/chest/model")
    prove(sweep("chest"), "proofs/chest/best-trial")


def flow(example: str) -> dict[str, str]:
    """The pipeline of an example's copy; the run of each step."""
    TOUR.heading(f"{example}/flow.py")
    TOUR.run("pipeline", "run", "flow.py", "--workdir", example)
    return {one["step"]: one["run"] for one in TOUR.ask("pipeline", "show")["tasks"]}


def sweep(folder: str) -> str:
    """The sweep in a folder, what its trials came to; the run of the best."""
    TOUR.heading(f"{folder}/sweep.yaml")
    TOUR.run("sweep", f"{folder}/sweep.yaml", "--workdir", folder)
    TOUR.run("sweep", "show")
    found = TOUR.ask("sweep", "show")
    names, best = found["names"], found["best"]
    lines = [
        row(["trial", *names, "state", found["metric"]]),
        "| --- " * (len(names) + 3) + "|",
    ]
    for one in found["trials"]:
        number = f"{one['number']} (best)" if one["number"] == best["number"] else one["number"]
        values = [one["values"][name] for name in names]
        lines.append(row([number, *values, one["state"], one["value"]]))
    (PLACE / folder / "sweep.md").write_text("\n".join([*lines, ""]))
    return str(best["run"])


def row(cells: list[object]) -> str:
    """A row of a table, numbers to three digits."""
    shown = [
        f"{one:.3g}" if isinstance(one, float) else "" if one is None else str(one)
        for one in cells
    ]
    return "| " + " | ".join(shown) + " |"


def prove(run: str, bundle: str) -> None:
    """The bundle of a run, and its check by the verifier alone."""
    key = (PLACE / bundle).with_name("lab.pub")
    key.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(PLACE / "lab/lab.pub", key)
    TOUR.run("prove", run, "-o", bundle)
    trusted = str(key.relative_to(PLACE))
    command = [sys.executable, "-I", "cloister_verify.py", bundle, "--trust", trusted]
    TOUR.show("python", *command[2:])
    subprocess.run(command, cwd=PLACE, check=True)


def publish(example: str) -> None:
    """What an example and its sweep found, between the marks of its page; and their proof."""
    page = ROOT / "examples" / example / "README.md"
    proofs = PLACE / "proofs" / example
    if proofs.is_dir():
        kept = ROOT / "examples/proofs" / example
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(proofs, kept)
    for name in ("results", "sweep"):
        found = PLACE / example / f"{name}.md"
        if found.is_file():
            before, begin, rest = page.read_text().partition(f"<!-- {name} -->\n")
            _, end, after = rest.partition(f"<!-- end of {name} -->")
            page.write_text(f"{before}{begin}\n{found.read_text()}{end}{after}")


def fenced(script: str, *command: str) -> None:
    """A copy of the script beside the data, and its run, to which no other is code."""
    TOUR.heading(script)
    copied = Path(shutil.copy(ROOT / "examples" / script, PLACE))
    TOUR.run("run", "--", *command)
    copied.unlink()


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
    "chest": chest,
}

if __name__ == "__main__":
    raise SystemExit(main())
