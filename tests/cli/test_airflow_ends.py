"""A step ends with the task of Airflow that asked for it, however Airflow ends that."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Shell, new_shell

FLOW = """
import subprocess
import cloister as cl

def nap(seconds): subprocess.run(["sleep", str(seconds)], start_new_session=True)

@cl.task
def warm(seconds): nap(seconds)

@cl.task(fence="fresh")
def fresh(seconds): nap(seconds)

with cl.pipeline("ward"):
    seconds = cl.param("seconds", 1)
    warm(seconds), fresh(seconds)
"""
TASK = '''
"""The process in which Airflow runs one task: the exported file as it is, in stand-ins."""
import sys
from types import ModuleType, SimpleNamespace

class Anything:
    __call__ = __getattr__ = __rshift__ = __or__ = lambda self, *_, **__: self
    __enter__ = __exit__ = lambda self, *_: None

bodies = []
def task(**options):
    return lambda body: bodies.append(body) or Anything()

run = SimpleNamespace(run_type="manual")
context = {"params": {"seconds": int(sys.argv[3])}, "dag_run": run}
own = {"task": task, "get_current_context": lambda: context}
for name in ("airflow", "airflow.exceptions", "airflow.sdk", "airflow.timetables",
             "airflow.timetables.assets", "airflow.timetables.trigger"):
    sys.modules[name] = ModuleType(name)
    sys.modules[name].__getattr__ = lambda word: own.get(word, Anything())
exec(compile(open(sys.argv[1]).read(), sys.argv[1], "exec"))
bodies[0](sys.argv[2])
'''


@pytest.fixture(scope="module")
def lab() -> Iterator[Shell]:
    with new_shell() as shell:
        shell("init")
        (shell.folder / "code").mkdir()
        (shell.folder / "code/flow.py").write_text(FLOW)
        shell("export", "airflow", "flow.py", "--workdir", "code", "-o", "ward.py")
        (shell.folder / "task.py").write_text(TASK)
        yield shell


def of(mark: str) -> list[int]:
    """The processes that have it among their words, in whatever fence: the task's own, too."""
    found = []
    for one in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = one.read_bytes()
        except OSError:
            continue
        if mark.encode() in words:
            found.append(int(one.parent.name))
    return found


def until(holds: bool, mark: str) -> None:
    deadline_s = time.monotonic() + 120
    while bool(of(mark)) is not holds:
        assert time.monotonic() < deadline_s, of(mark)
        time.sleep(0.1)


def is_over(shell: Shell, nap: str) -> None:
    """Nothing of it is left, and the record says how it ended."""
    until(False, nap)
    newest = shell.json("pipeline", "ls")[0]
    assert newest["state"] == "interrupted"
    rows = shell.json("pipeline", "show", newest["flow"])["tasks"]
    assert {one["state"] for one in rows if one["run"] != "-"} == {"interrupted"}
    assert shell.json("queue")["jobs"] == []


@pytest.mark.parametrize(("step", "nap"), [("warm", "987651"), ("fresh", "987652")])
def test_a_step_ends_with_the_task_of_airflow_that_asked_for_it(
    lab: Shell, step: str, nap: str
) -> None:
    words = [sys.executable, "task.py", "ward.py", step, nap]
    task = subprocess.Popen(words, cwd=lab.folder, env=lab.environment)
    try:
        until(True, f"sleep\0{nap}")
    finally:
        task.kill()  # as Airflow does in the end, whatever on_kill says
        task.wait()
    is_over(lab, nap)


def test_a_step_that_is_told_to_end_ends_with_all_that_it_started(lab: Shell) -> None:
    words = ("pipeline", "step", "flow.py", "warm", "--workdir", "code", "-p", "seconds=987653")
    process = lab.start(*words)
    until(True, "sleep\x00987653")
    os.kill(process.pid, signal.SIGTERM)
    _, err = process.communicate(timeout=120)
    assert (process.returncode, "interrupted" in err) == (130, True)
    is_over(lab, "987653")
