"""A pipeline exported for Airflow, driven by a real one: each step in the fence and on record.

Usage: python tools/airflow_dag.py PYTHON, the one that has Airflow; this one has Cloister.
Everything happens in ./demo/airflow and is made anew at each run. Airflow runs the DAG with
``dag.test()``; its answers are held against what the lab has on record. Its telemetry is off.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

from cloister.cli.tour import Tour, TourEnded

ROOT = Path(__file__).resolve().parent.parent
PLACE = ROOT / "demo/airflow"
HOME = PLACE / "airflow"
TOUR = Tour(PLACE, PLACE, os.environ)
FLOW = ROOT / "tests/cli/airflow_flow.py"
SETTINGS = {
    "AIRFLOW_HOME": str(HOME),
    "AIRFLOW__CORE__DAGS_FOLDER": str(HOME / "dags"),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
    "AIRFLOW__METRICS__STATSD_ON": "False",
    "AIRFLOW__TRACES__OTEL_ON": "False",
    "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    "SCARF_ANALYTICS": "false",
    "DO_NOT_TRACK": "1",
}
INSIDE = """
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("ward_dag", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
run = module.dag.test(run_conf=json.loads(sys.argv[2]))
rows = [[one.task_id, one.map_index, str(one.state)] for one in run.get_task_instances()]
print("TOLD", json.dumps({"state": str(run.state), "tasks": rows}))
"""
SKIPPED = {"alarm", "told", "side.told"}
"""Left out by a condition; and of an empty list Airflow makes no task."""


def main(python: str) -> int:
    """Non-zero if Airflow and the lab do not agree."""
    sys.stdout.reconfigure(line_buffering=True)  # in order with what the commands print
    shutil.rmtree(PLACE, ignore_errors=True)
    (PLACE / "code").mkdir(parents=True, mode=0o700)
    (HOME / "dags").mkdir(parents=True)
    TOUR.prepare()
    try:
        exported()
        airflow(python, "-m", "airflow", "db", "migrate")
        airflow(python, "-m", "airflow", "pools", "set", "disk", "2", "cloister")
        driven(python, {}, made=18)
        driven(python, {"epochs": 4}, made=3)
    except TourEnded as stop:
        raise SystemExit(f"FAILED: {stop}") from stop
    finally:
        TOUR.end()
    print("\nAirflow ran the pipeline; every step is on record in the lab.")
    return 0


def exported() -> None:
    """A lab with data of two patients, and the pipeline as a DAG."""
    for number in range(2):
        folder = PLACE / f"scans/P{number:03d}"
        folder.mkdir(parents=True)
        for name in "ab":
            (folder / f"{name}.txt").write_text(f"patient {number} scan {name}\n")
    shutil.copy(FLOW, PLACE / "code/flow.py")
    TOUR.run("init", "lab")
    TOUR.run("add", "scans", "--name", "data1", "--subject-pattern", "^(P[0-9]+)/")
    TOUR.run("export", "airflow", "flow.py", "--workdir", "code", "-o", str(dag()))


def dag() -> Path:
    """The file in Airflow's folder."""
    return HOME / "dags/ward.py"


def driven(python: str, conf: dict[str, object], made: int) -> None:
    """One run by Airflow: every task as it should end, and ``made`` attempts on record."""
    before = attempts()
    said = airflow(python, "-c", INSIDE, str(dag()), json.dumps(conf))
    told = json.loads(next(one[5:] for one in said.splitlines() if one.startswith("TOLD ")))
    print(f"\n$ dag.test(run_conf={conf}): {told['state']}")
    ended = Counter(
        (name, state.rpartition(".")[2].lower()) for name, _, state in told["tasks"]
    )
    for (name, state), count in sorted(ended.items()):
        print(f"  {state:<8} {count:>3}  {name}")
    skipped = {name for name, state in ended if state == "skipped"}
    wrong = [one for one in ended if one[1] not in ("success", "skipped")]
    found = attempts() - before
    if told["state"].rpartition(".")[2].lower() != "success" or wrong:
        raise SystemExit(f"FAILED: {told}")
    if skipped != SKIPPED:
        raise SystemExit(f"FAILED: skipped were {sorted(skipped)}")
    if found != made:
        raise SystemExit(f"FAILED: expected {made} attempts on record, found {found}")


def attempts() -> int:
    """How many attempts of tasks the lab has on record."""
    found = TOUR.ask("pipeline", "ls")
    shown = (TOUR.ask("pipeline", "show", one["flow"])["tasks"] for one in found)
    return len({task["run"] for tasks in shown for task in tasks} - {"-"})


def airflow(*command: str) -> str:
    """What a command with Airflow in it says; its environment is not ours."""
    done = subprocess.run(
        command,
        env=TOUR.environment | SETTINGS,
        cwd=PLACE,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"FAILED: {' '.join(command[:4])}: {done.stdout[-2000:]}")
    return done.stdout


if __name__ == "__main__":
    raise SystemExit(main(os.path.abspath(sys.argv[1])))
