"""The door: an address in the job's own network at which the runner answers."""

from __future__ import annotations

import os

from tests.fence.benches import Bench, on_host_without
from tests.fence.test_weaker_hosts import NO_NAMESPACES

PORT = 5000
KNOCK = """
import os, socket
caller = socket.create_connection(("127.0.0.1", int(os.environ["DOOR"])), 10)
print(caller.recv(100).decode())
"""


def test_a_job_that_knocks_is_answered_from_outside(bench: Bench) -> None:
    done = bench.code(KNOCK, door=PORT)
    assert (done.output, done.network_attempts, done.level) == ("welcome\n", 0, "full")
    assert not any("door" in note for note in done.notes)


def test_several_jobs_have_the_same_address_and_a_door_each(bench: Bench) -> None:
    for _ in range(3):
        assert bench.code(KNOCK, door=PORT).output == "welcome\n"


def test_a_job_that_never_knocks_leaves_nothing_open(own_bench: Bench) -> None:
    before = len(os.listdir("/proc/self/fd"))
    assert own_bench.code("import os; print(os.environ['DOOR'])", door=PORT).output == "5000\n"
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_the_job_was_told_itself_comes_first(bench: Bench) -> None:
    done = bench.code("import os; print(os.environ['DOOR'])", door=PORT, env={"DOOR": "mine"})
    assert done.output == "mine\n"


def test_without_a_network_of_its_own_there_is_no_door_and_it_is_said(bench: Bench) -> None:
    host = on_host_without(bench, NO_NAMESPACES)
    done = host.code("import os; print(os.environ.get('DOOR'))", door=PORT)
    assert (done.output, done.level) == ("None\n", "partial")
    assert any("no door in it" in note for note in done.notes)
