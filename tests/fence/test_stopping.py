"""Input, signals and ends: a job is stopped politely, then surely, and takes all it started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from cloister.fence.interrupts import ON_RECORD
from tests.fence.background import begin
from tests.fence.benches import Bench
from tests.fence.leftovers import marked_processes

ENDLESS = "while :; do sleep 0.05; done"


def started(bench: Bench, *argv: str, **fields: Any) -> subprocess.Popen[str]:
    return begin(bench, bench.order(*argv, **fields), argv[-1])


def result(runner: subprocess.Popen[str]) -> dict[str, Any]:
    out, _ = runner.communicate(timeout=120)
    answer: dict[str, Any] = json.loads(out)
    return answer


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_to_the_runner_reaches_the_job(bench: Bench, number: signal.Signals) -> None:
    code = f"trap 'echo bye; exit 9' INT TERM; {ENDLESS}"
    runner = started(bench, "sh", "-c", code, f"mark-{os.urandom(4).hex()}")
    runner.send_signal(number)
    done = result(runner)
    assert (done["exit_status"], done["output"]) == (9, "bye\n")


def test_what_is_asked_on_record_is_no_second_signal(bench: Bench) -> None:
    code = f"trap 'sleep 0.5; echo bye; exit 9' TERM; {ENDLESS}"
    for numbers in ((ON_RECORD,), (signal.SIGTERM, ON_RECORD), (ON_RECORD, ON_RECORD)):
        runner = started(bench, "sh", "-c", code, f"mark-{os.urandom(4).hex()}")
        for number in numbers:
            runner.send_signal(number)
            time.sleep(0.2)
        done = result(runner)
        assert (done["exit_status"], done["output"]) == (9, "bye\n")


def test_second_signal_ends_a_job_that_ignores_the_first(bench: Bench) -> None:
    mark = f"mark-{os.urandom(4).hex()}"
    runner = started(bench, "sh", "-c", f"trap '' INT TERM; {ENDLESS}", mark)
    runner.send_signal(signal.SIGINT)
    time.sleep(0.2)
    runner.send_signal(signal.SIGINT)
    assert result(runner)["exit_status"] == 137
    assert not marked_processes(mark)


def test_job_that_ignores_the_end_is_killed_after_its_grace(bench: Bench) -> None:
    mark = f"mark-{os.urandom(4).hex()}"
    runner = started(bench, "sh", "-c", f"trap '' TERM; {ENDLESS}", mark, grace_s=0.3)
    began = time.monotonic()
    runner.send_signal(signal.SIGTERM)
    assert result(runner)["exit_status"] == 137
    assert 0.2 < time.monotonic() - began < 5


def test_nothing_that_a_job_started_outlives_it(bench: Bench) -> None:
    mark = f"mark-{os.urandom(4).hex()}"
    code = (
        "import os, sys, time\n"
        "for style in range(4):\n"
        "    if os.fork() == 0:\n"
        "        os.setsid() if style % 2 else None\n"
        "        if style < 2 or os.fork() == 0:\n"
        "            for n in range(3): os.close(n)\n"
        "            time.sleep(600)\n"
        "        os._exit(0)\n"
        "time.sleep(0.2)\n"
    )
    began = time.monotonic()
    done = bench.code(code, mark)
    assert done.exit_status == 0
    assert not marked_processes(mark)
    assert time.monotonic() - began < 10


def test_input_is_copied_to_its_end(own_bench: Bench) -> None:
    source = subprocess.Popen(["head", "-c", "1000000", "/dev/zero"], stdout=subprocess.PIPE)
    assert source.stdout is not None
    with source, source.stdout as pipe:
        done = own_bench.run("wc", "-c", stdin=pipe.fileno())
    assert done.output == "1000000\n"


def test_input_that_the_job_does_not_read_holds_nothing_up(own_bench: Bench) -> None:
    source = subprocess.Popen(["yes"], stdout=subprocess.PIPE)
    assert source.stdout is not None
    with source, source.stdout as pipe:
        assert own_bench.run("true", stdin=pipe.fileno()).exit_status == 0
        assert own_bench.run("sleep", "0.1", stdin=pipe.fileno()).exit_status == 0


def test_input_may_be_a_file(own_bench: Bench) -> None:
    with Path("/usr/bin/env").open("rb") as file:
        done = own_bench.run("sh", "-c", "head -c 4 | tail -c 3", stdin=file.fileno())
    assert done.output == "ELF"


def test_without_input_the_job_reads_its_end(bench: Bench) -> None:
    assert bench.run("cat").exit_status == 0


def test_terminal_asked_for_without_one_is_refused(own_bench: Bench) -> None:
    with Path("/dev/null").open("rb") as file:
        assert own_bench.run("true", tty=True, stdin=file.fileno()).error[0] == "BadInput"
