"""1,000 tasks that do nothing, by others: doit, Luigi, Prefect, Dagster, Snakemake, Ray.

    python -m benchmarks.peers [--quick] [NAME...]

Each has an environment of its own in .venv-peers, made when it is first measured, of the
release that stands here; its telemetry is off, and what it keeps is in a folder that goes away.
Cold is the first run; again is the second with nothing changed, where it has such a thing.
`tasks_s` is what the tasks took where the tool can be asked from within, `command_s` the whole
command. Beside them, in the same run, Cloister's own as `benchmarks.pipelines` measures it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.line import append
from benchmarks.pipelines import in_a_lab
from benchmarks.shell import new_lab

PLACE = Path(__file__).resolve().parent.parent / ".venv-peers"
LONGEST_S = 1200
QUIET = {
    "DAGSTER_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "PREFECT_LOGGING_LEVEL": "ERROR",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    "RAY_USAGE_STATS_ENABLED": "0",
}


@dataclass(frozen=True, slots=True)
class Peer:
    """A tool, its release, and the file and command with which it runs the tasks."""

    name: str
    release: str
    file: str
    text: str
    command: tuple[str, ...] = ()
    runs: tuple[str, ...] = ("cold", "again, nothing changed")
    beside: tuple[str, ...] = ()
    """What it says that it works with, and does not."""


DOIT = """
def task_many():
    for i in range({count}):
        yield {{"name": str(i), "actions": [(nothing, [])], "uptodate": [True]}}
def nothing():
    return True
"""
LUIGI = """
import os, time, luigi
class One(luigi.Task):
    i = luigi.IntParameter()
    def output(self): return luigi.LocalTarget("done-%d" % self.i)
    def run(self): open("done-%d" % self.i, "w").close()
class All(luigi.WrapperTask):
    def requires(self): return [One(i) for i in range({count})]
begin = time.monotonic()
assert luigi.build([All()], local_scheduler=True, workers=1, log_level="CRITICAL")
print("TASKS_S", time.monotonic() - begin)
"""
PREFECT = """
import time
from prefect import flow, task
from prefect.cache_policies import INPUTS
@task(cache_policy=INPUTS, persist_result=True)
def noop(i): return None
@flow
def many():
    begin = time.monotonic()
    for one in [noop.submit(i) for i in range({count})]: one.wait()
    print("TASKS_S", time.monotonic() - begin)
many()
"""
DAGSTER = """
import time
from dagster import DagsterInstance, job, op
@op
def noop(): pass
@job
def many():
    for i in range({count}): noop.alias("n%d" % i)()
begin = time.monotonic()
assert many.execute_in_process(instance=DagsterInstance.get()).success
print("TASKS_S", time.monotonic() - begin)
"""
SNAKEMAKE = """
rule all:
    input: expand("done-{{i}}", i=range({count}))
rule one:
    output: touch("done-{{i}}")
    shell: ":"
"""
RAY = """
import os, time, ray
ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
@ray.remote
def noop(i): return None
ray.get([noop.remote(i) for i in range(2)])
begin = time.monotonic()
ray.get([noop.remote(i) for i in range({count})])
print("TASKS_S", time.monotonic() - begin)
"""
COLD = ("cold",)
PEERS = (
    Peer("doit", "0.37.0", "dodo.py", DOIT, ("doit", "-v0")),
    Peer("luigi", "3.8.1", "many.py", LUIGI),
    Peer("prefect", "3.8.8", "many.py", PREFECT, beside=("fastapi==0.139.*",)),
    Peer("dagster", "1.13.29", "many.py", DAGSTER, runs=COLD),
    Peer("snakemake", "9.27.1", "Snakefile", SNAKEMAKE, ("snakemake", "-c2", "-q", "all")),
    Peer("ray", "2.60.0", "many.py", RAY, runs=COLD),
)


def environment(peer: Peer) -> Path:
    """The folder of programs of that release; raises CalledProcessError."""
    place = PLACE / peer.name
    if not (place / peer.release).exists():
        venv.create(place, with_pip=True, clear=True)
        wanted = (f"{peer.name}=={peer.release}", *peer.beside)
        subprocess.run(
            [place / "bin/python", "-m", "pip", "install", "-q", *wanted], check=True
        )
        (place / peer.release).touch()
    return place / "bin"


def measure(peer: Peer, count: int) -> None:
    """Its lines; one that cannot be installed, or fails, says so."""
    folder = Path(tempfile.mkdtemp(prefix="peer-"))
    try:
        programs = environment(peer)
        (folder / peer.file).write_text(peer.text.format(count=count))
        python = (str(programs / "python"), peer.file)
        command = (
            (str(programs / peer.command[0]), *peer.command[1:]) if peer.command else python
        )
        for run in peer.runs:
            case = f"{peer.name} {peer.release}, {count} no-op tasks, {run}"
            append("peers", {"case": case} | timed(command, folder, programs))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def timed(command: tuple[str, ...], folder: Path, programs: Path) -> Mapping[str, object]:
    """What one command took, or why there is no figure."""
    outside = {n: text for n, text in os.environ.items() if not n.startswith("PYTHON")}
    places = {
        "DAGSTER_HOME": str(folder),
        "HOME": str(folder),
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PREFECT_HOME": str(folder / "prefect"),
    }
    begin = time.monotonic()
    done = subprocess.run(
        command,
        cwd=folder,
        env=outside | QUIET | places,
        capture_output=True,
        text=True,
        check=False,
        timeout=LONGEST_S,
    )
    took = time.monotonic() - begin
    if done.returncode:
        print(done.stderr[-3000:], file=sys.stderr)
        return {"failed": f"exit status {done.returncode}"}
    told = [float(one.split()[1]) for one in done.stdout.splitlines() if "TASKS_S" in one]
    tasks = {"tasks_s": round(told[0], 3)} if told else {}
    return {**tasks, "command_s": round(took, 3)}


def main() -> None:
    """All of them, or those named."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("names", nargs="*", metavar="NAME")
    chosen = parser.parse_args()
    count = 50 if chosen.quick else 1000
    for peer in PEERS:
        if not chosen.names or peer.name in chosen.names:
            measure(peer, count)
    with new_lab() as lab:
        in_a_lab(lab, count)


if __name__ == "__main__":
    main()
