"""`cloister pipeline` as a user types it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from cloister.cli.commands.pipeline_schedule import Until
from tests.attacks.killing import processes_naming, wait_until
from tests.cli.flows import CHAIN, MAIN
from tests.conftest import Shell, add_scans, new_lab


@pytest.fixture(scope="module")
def ward() -> Iterator[Shell]:
    """A lab with data of four patients, and pipelines beside it."""
    with new_lab() as shell:
        add_scans(shell)
        write(shell, "flow.py", MAIN)
        write(shell, "chain.py", CHAIN)
        yield shell


def write(shell: Shell, name: str, text: str) -> None:
    (shell.folder / "code").mkdir(exist_ok=True)
    (shell.folder / "code" / name).write_text(text)


def run(shell: Shell, *words: str, **options: object) -> dict[str, object]:
    """A pipeline of the folder ``code``, run; what it says with --json."""
    found: dict[str, object] = shell.json(
        "pipeline", "run", *words, "--workdir", "code", **options
    )
    return found


def steps(shell: Shell, flow: str = "last") -> dict[str, dict[str, object]]:
    shown = shell.json("pipeline", "show", flow)
    return {one["step"]: one for one in shown["tasks"]}


def test_the_main_path_runs_and_every_attempt_is_a_run(ward: Shell) -> None:
    found = run(ward, "flow.py")
    assert (found["state"], found["made"], found["steps"]) == ("finished", 4, 4)
    rows = steps(ward)
    assert {name: row["state"] for name, row in rows.items()} == dict.fromkeys(rows, "done")
    last = ward("get", str(rows["serve"]["run"]), "log").stdout
    assert last == "serving model.txt\n"
    assert ward("get", str(rows["train"]["run"]), "model.txt").stdout == "trained on 12\n"


def test_what_nothing_changed_is_used_again_and_why_says_what_did(ward: Shell) -> None:
    run(ward, "flow.py")
    again = run(ward, "flow.py")
    assert (again["made"], again["reused"]) == (0, 4)
    assert "nothing that it depends on changed" in ward("why", "train").stdout
    told = run(ward, "flow.py", "-p", "note=later")
    assert (told["made"], told["reused"]) == (1, 3)
    assert ward.json("why", "serve")["changes"] == ["the argument note changed"]
    write(ward, "flow.py", MAIN.replace('"nothing there"', '"nothing at all"'))
    edited = run(ward, "flow.py", "-p", "note=later")
    # check gives the same value as before, so nothing after it is made again
    assert (edited["made"], edited["reused"]) == (1, 3)
    changes = ward.json("why", "check")["changes"]
    assert changes == ["its code, or that of a function it calls, changed"]
    write(ward, "flow.py", MAIN.replace("\n@cl.task\n", "\n# a remark\n@cl.task\n"))
    assert run(ward, "flow.py")["made"] == 0


def test_a_patient_is_traced_through_values_to_what_never_saw_the_data(ward: Shell) -> None:
    run(ward, "flow.py")
    rows = steps(ward)
    traced = ward.json("trace", "P001")
    runs = {one["run"] for one in traced["runs"]}
    assert {row["run"] for row in rows.values()} <= runs


def test_the_order_of_arrows_and_lists(ward: Shell) -> None:
    found = run(ward, "chain.py")
    assert found["state"] == "finished"
    rows = steps(ward)
    assert list(rows) == ["numbers", "total", "report", "notify"]
    assert b"total 6" in ward(
        "get", str(rows["report"]["run"]), ".cloister/value"
    ).stdout.encode("utf-8", "surrogateescape")


FILED = """
from pathlib import Path
import cloister as cl
@cl.task
def write(text):
    Path("same.txt").write_text(text)
    return cl.File("same.txt")
@cl.task(fence="fresh")
def copy(file):
    Path("copy.txt").write_text(file.read_text())
    return [cl.File("copy.txt")]
@cl.task
def length(files):
    return len(files[0].read_text())
with cl.pipeline("filed"):
    length(copy(write(cl.param("text", "one"))))
"""


def test_a_file_of_the_same_name_with_another_content_is_another_value(ward: Shell) -> None:
    write(ward, "filed.py", FILED)
    assert run(ward, "filed.py")["made"] == 3
    assert run(ward, "filed.py", "-p", "text=three")["made"] == 3
    assert ward.json("why", "length")["changes"] == ["the argument files changed"]
    assert run(ward, "filed.py")["reused"] == 3


def test_an_audit_finds_every_row_as_the_ledger_says(ward: Shell) -> None:
    run(ward, "chain.py")
    ward("audit")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a >> b >> a", "bad.py:9: these steps wait for each other: "),
        ("b(object())", "bad.py:9: b: a value of type builtins.object cannot be kept"),
        ("b()", "bad.py:9: b lacks its argument 'x'"),
        ("[a, b(1)] >> c", "bad.py:9: 2 steps flow into c, which has 3 arguments free"),
        ("1 / 0", "bad.py:9: ZeroDivisionError"),
    ],
)
def test_an_error_of_the_definition_names_file_and_line(
    ward: Shell, text: str, said: str
) -> None:
    write(ward, "bad.py", BAD.format(text))
    failed = ward("pipeline", "run", "bad.py", "--workdir", "code", status=2)
    assert said in failed.stderr


BAD = """import cloister as cl
@cl.task
def a(): return 1
@cl.task
def b(x): return x
@cl.task
def c(x, y, z): return x
with cl.pipeline("bad"):
    {}
"""

FAULTS = """
import os, subprocess, sys, time
import cloister as cl

@cl.task(retries=2, backoff=0.01)
def flaky():
    with open("tries", "a") as file:
        file.write("x")
    assert os.path.getsize("tries") >= 3, "not yet"
    return "at last"

@cl.task(timeout=0.5)
def slow():
    time.sleep(60)

@cl.task
def daemon():
    code = "import os, time; os.setsid(); time.sleep(600)"
    child = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    return child.pid

@cl.task
def gone(pid):
    time.sleep(0.3)
    return os.path.exists(f"/proc/{pid}")

@cl.task
def out():
    import socket
    socket.create_connection(("192.0.2.1", 80), timeout=2)

@cl.task
def after(x):
    return x

with cl.pipeline("faults"):
    flaky()
    after(slow())
    gone(daemon())
    out()
"""


def test_tries_limits_and_what_is_left_behind(ward: Shell) -> None:
    write(ward, "faults.py", FAULTS)
    found = run(ward, "faults.py", status=1)
    why = {one["step"]: one["why"] for one in found["failures"]}  # type: ignore[attr-defined]
    assert why == {"slow": "timeout", "out": "OSError"}
    rows = steps(ward)
    assert (rows["flaky"]["state"], rows["flaky"]["tries"]) == ("done", 3)
    assert rows["after"]["state"] == "blocked"
    assert ward.json("why", "after")["verdict"] == "did not run: what it waits for failed"
    value = ward("get", str(rows["gone"]["run"]), ".cloister/value").stdout
    assert value.encode("utf-8", "surrogateescape") == b"\xc2"  # False: it was ended


BRANCHES = """
import cloister as cl

@cl.task
def size(): return 3
@cl.task
def is_large(n): return n > 2
@cl.task
def large(n): return f"large {n}"
@cl.task
def small(n): return f"small {n}"
@cl.task
def square(x): return x * x
@cl.task
def show(text, squares): return f"{text} {squares}"
count = cl.shell("printf %s {text} | wc -c", name="count")
made = cl.shell("printf %s {text} > out.txt", name="made", outputs=["out.txt"])
@cl.task
def read(file): return file.read_text()
book = cl.notebook("book.ipynb", parameters=["n"])
@cl.task
def result(of): return of["result"]

with cl.pipeline("branches"):
    n = size()
    flag = is_large(n)
    with cl.when(flag):
        a = large(n)
    with cl.unless(flag):
        b = small(n)
    with cl.group("squares"):
        all = square.map([1, 2, 3]).collect()
    text = show(cl.either(a, b), all)
    count(text=text)
    read(made(text=text))
    result(book(n=n))
"""
BOOK = """{"cells": [
 {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": ["n = 1"],
  "outputs": []},
 {"cell_type": "code", "metadata": {}, "source": ["result = n * 10\\n", "print(result)"],
  "outputs": []}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}"""


def value_of(shell: Shell, row: dict[str, object]) -> bytes:
    text = shell("get", str(row["run"]), ".cloister/value").stdout
    return text.encode("utf-8", "surrogateescape")


def test_branches_maps_shell_and_notebooks(ward: Shell) -> None:
    write(ward, "branches.py", BRANCHES)
    write(ward, "book.ipynb", BOOK)
    found = run(ward, "branches.py")
    assert (found["state"], found["left_out"]) == ("finished", 1)
    rows = steps(ward)
    assert rows["small"]["state"] == "left out"
    assert ward.json("why", "small")["verdict"] == "did not run: a condition left it out"
    squares = [rows[f"squares.square[{number}]"]["run"] for number in range(3)]
    assert rows["squares.square[2]"]["state"] == "done"
    assert value_of(ward, rows["count"]).strip().endswith(b"17")
    assert value_of(ward, rows["read"]).endswith(b"large 3 [1, 4, 9]")

    write(ward, "branches.py", BRANCHES.replace("[1, 2, 3]", "[7, 8, 9, 10]"))
    run(ward, "branches.py")
    for number, before in enumerate(squares):  # each beside the one that was in its place
        told = ward.json("why", f"squares.square[{number}]")
        assert told["before"] == before
        assert "its item of the list changed" in told["changes"]
    assert "never ended well before" in ward.json("why", "squares.square[3]")["verdict"]
    assert value_of(ward, rows["result"]) == b"\x1e"
    executed = ward("get", str(rows["book"]["run"]), "book.executed.ipynb").stdout
    assert '"text": "30\\n"' in executed


KILLED = """
import os, subprocess, sys
import cloister as cl

@cl.task
def first(): return 1

@cl.task(idempotent={idempotent})
def middle(x):
    if not os.path.exists("go"):
        subprocess.run([sys.executable, "-c", "import time; time.sleep(600)", "{mark}"])
    return x + {adds}

@cl.task
def last(x): return x + 1

with cl.pipeline("killed"):
    first >> middle >> last
"""


def mark(shell: Shell) -> str:
    """What stands in the command line of a process while the second step is under way."""
    return f"middle-{shell.folder.parent.name}"


def started_in_the_middle(
    shell: Shell, adds: int = 1, *, idempotent: bool = True
) -> subprocess.Popen[str]:
    """The scheduler, while its second step waits for whoever ends it."""
    text = KILLED.format(idempotent=idempotent, mark=mark(shell), adds=adds)
    write(shell, "killed.py", text)
    (shell.folder / "code" / "go").unlink(missing_ok=True)
    process = shell.start("--json", "pipeline", "run", "killed.py", "--workdir", "code")
    wait_until(lambda: processes_naming(mark(shell)))
    (shell.folder / "code" / "go").touch()  # whoever begins now does not wait
    return process


def kill_in_the_middle(shell: Shell, adds: int = 1, *, idempotent: bool = True) -> None:
    """Ends the scheduler with a signal nobody can catch, while its second step runs."""
    process = started_in_the_middle(shell, adds, idempotent=idempotent)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=120)
    wait_until(lambda: not processes_naming(mark(shell)))


@pytest.mark.file_database
def test_killed_in_the_middle_it_goes_on_and_nothing_ended_is_made_again(ward: Shell) -> None:
    kill_in_the_middle(ward)
    noted = ward("pipeline", "ls")
    assert "the pipeline killed was interrupted" in noted.stderr
    found = ward.json("pipeline", "resume")
    assert (found["state"], found["made"]) == ("finished", 2)
    assert steps(ward)["middle"]["tries"] == 1
    ward("audit")


@pytest.mark.file_database
def test_what_is_not_idempotent_and_nobody_saw_end_is_not_begun_again(ward: Shell) -> None:
    kill_in_the_middle(ward, 2, idempotent=False)
    failed = ward("--json", "pipeline", "resume", status=1)
    assert "it is not idempotent, so it is not repeated" in failed.stdout
    assert (
        len(
            ward.sql(
                "SELECT 1 FROM flow_attempt WHERE step = 1 AND flow ="
                " (SELECT flow FROM flow ORDER BY begun DESC LIMIT 1)"
            )
        )
        == 1
    )


def test_a_file_outside_the_working_folder_is_refused(ward: Shell, tmp_path: Path) -> None:
    (tmp_path / "flow.py").write_text(CHAIN)
    ward("pipeline", "run", str(tmp_path / "flow.py"), status=2)


def test_a_step_that_there_is_not_is_told_before_anything_begins(ward: Shell) -> None:
    before = ward.json("pipeline", "ls")
    words = ("chain.py", "--from", "tran", "--workdir", "code")
    assert "has no step tran" in ward("pipeline", "run", *words, status=2).stderr
    assert ward.json("pipeline", "ls") == before


WAITING = """
import cloister as cl

@cl.task(outlets=["model:ward"])
def count(scans, due): return len(list(scans.rglob("*.txt"))), due

@cl.task
def after(): return "after"

hourly = cl.cron("0 * 1 1 *")  # on one day of the year
with cl.pipeline("waiting", on=[cl.asset("dataset:data1"), hourly], misfire="skip"):
    count(cl.dataset("data1"), cl.param("due", ""))

with cl.pipeline("downstream", on=cl.asset("model:ward")):
    after()
"""


def test_a_new_version_starts_what_waits_for_it_and_that_what_waits_for_its_outlet(
    ward: Shell,
) -> None:
    write(ward, "waiting.py", WAITING)
    for name in ("waiting", "downstream"):
        ward("pipeline", "schedule", f"waiting.py:{name}", "--workdir", "code")
    listed = {one["pipeline"]: one for one in ward.json("pipeline", "schedules")}
    assert listed["downstream"]["next"] is None
    assert listed["waiting"]["next"] is not None

    def tended() -> list[str]:
        return [one["pipeline"] for one in ward.json("pipeline", "tend", "--once")]

    assert tended() == []
    (ward.folder / "scans/P001/9.txt").write_text("one more\n")
    ward("add", "scans", "--subject-pattern", "^(P[0-9]+)/", "--name", "data1")
    assert tended() == ["waiting"]
    assert tended() == ["downstream"]
    assert tended() == []
    span = ("--from", "2026-01-01T00:00:00", "--to", "2026-01-01T02:00:00")
    filled = ward.json("pipeline", "backfill", "waiting", *span)
    assert [one["state"] for one in filled] == ["finished"] * 3
    assert [one["due"][:16] for one in filled] == [f"2026-01-01T0{n}:00" for n in range(3)]
    none = ("--from", "2026-01-02T00:10:00", "--to", "2026-01-02T00:20:00")
    assert (
        "has no time between" in ward("pipeline", "backfill", "waiting", *none, status=2).stderr
    )
    assert b"2026-01-01T02:00:00" in value_of(ward, steps(ward)["count"])
    ward("pipeline", "unschedule", "waiting")
    ward("pipeline", "unschedule", "downstream")
    assert ward.json("pipeline", "schedules") == []
    ward("audit")


def test_a_day_that_is_named_alone_is_whole() -> None:
    until = Until().convert
    assert until("2026-01-31", None, None) == datetime(2026, 1, 31, 23, 59, 59)  # noqa: DTZ001
    assert until("2026-01-31T02:00:00", None, None).hour == 2


def descendants(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            found += [int(word) for word in task.read_text().split()]
    return found


@pytest.mark.file_database
def test_a_worker_that_is_killed_is_started_again_and_so_is_its_call(ward: Shell) -> None:
    process = started_in_the_middle(ward, 7)
    for pid in descendants(process.pid)[1:]:
        if b"cloister.pipelines.inside" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)
            break
    out, err = process.communicate(timeout=120)
    assert out, err
    assert "its worker was lost" in err
    row = steps(ward)["middle"]
    assert (row["state"], row["tries"]) == ("done", 2)
    ward("audit")


@pytest.mark.slow
def test_thousands_of_results_are_looked_up_again_in_no_time(ward: Shell) -> None:
    loop = "with cl.pipeline('many'):\n    for i in range(6000): noop(i)\n"
    write(ward, "many.py", f"import cloister as cl\n@cl.task\ndef noop(i): return None\n{loop}")
    cold, again = run(ward, "many.py"), run(ward, "many.py")
    assert (cold["made"], again["reused"]) == (6000, 6000)
    assert float(str(again["steps_s"])) < float(str(cold["steps_s"])) / 10
