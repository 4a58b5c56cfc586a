"""A person at a terminal: keys, window size, Ctrl-C, and the terminal as it was afterwards."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.fence.benches import Bench, readable_source

ENDLESS = "echo ready; while :; do sleep 0.05; done"


@dataclass
class Person:
    """Types at one end of a terminal, with a fenced job at the other."""

    keyboard: int
    runner: subprocess.Popen[bytes]
    screen: bytes = b""

    def types(self, keys: str) -> None:
        os.write(self.keyboard, keys.encode())

    def sees(self, text: str, within_s: float = 120) -> str:
        """Waits until ``text`` is on the screen; gives all up to its end and forgets it."""
        deadline = time.monotonic() + within_s
        while text.encode() not in self.screen:
            left = deadline - time.monotonic()
            assert left > 0, f"never saw {text!r} in {self.screen!r}"
            if select.select([self.keyboard], [], [], left)[0]:
                self.screen += os.read(self.keyboard, 65536)
        seen, _, self.screen = self.screen.partition(text.encode())
        return seen.decode(errors="replace") + text

    def resizes(self, rows: int, columns: int) -> None:
        size = struct.pack("4H", rows, columns, 0, 0)
        fcntl.ioctl(self.keyboard, termios.TIOCSWINSZ, size)


Sit = Callable[..., Person]


@pytest.fixture
def sit(bench: Bench) -> Iterator[Sit]:
    """Starts a fenced command on a new terminal, as a login session would."""
    people: list[Person] = []
    ends: list[int] = []

    def start(*argv: str, **fields: object) -> Person:
        keyboard, theirs = pty.openpty()
        ends.extend((keyboard, theirs))
        order = bench.workdir / "order.json"
        order.write_text(json.dumps(bench.order(*argv, **fields)))
        script = readable_source() / "tests/fence/terminal_driver.py"
        identity = {"user": bench.user, "group": bench.user, "extra_groups": []}
        if bench.user is not None:
            os.fchown(theirs, bench.user, bench.user)
        runner = subprocess.Popen(
            ["setsid", "-c", "-w", bench.python, str(script), str(order)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={"PYTHONPATH": str(readable_source()), "PATH": os.environ["PATH"]},
            **(identity if bench.user is not None else {}),  # type: ignore[arg-type]
        )
        people.append(Person(keyboard, runner))
        return people[-1]

    yield start
    for person in people:
        person.runner.kill()
        person.runner.wait()
    for end in ends:
        os.close(end)


def test_job_has_a_terminal_of_its_own(sit: Sit) -> None:
    person = sit("sh", "-c", "tty; test -t 0 && test -t 1 && test -t 2 && echo all three")
    assert "/dev/pts/0" in person.sees("all three")
    person.sees("report: exit 0 level full")


def test_keys_reach_the_job_and_its_answers_the_screen(sit: Sit) -> None:
    person = sit("sh", "-c", "read x; echo got $x")
    person.types("hello\r")
    person.sees("got hello")
    person.sees("report: exit 0")


def test_window_size_is_given_and_followed(sit: Sit) -> None:
    code = "trap 'stty size' WINCH; stty size; while :; do sleep 0.05; done"
    person = sit("sh", "-c", code)
    person.sees("0 0")
    person.resizes(33, 77)
    person.sees("33 77")
    person.types("\x03")


def test_ctrl_c_is_for_the_job(sit: Sit) -> None:
    person = sit(
        "sh", "-c", "trap 'echo stopped; exit 5' INT; echo ready; while :; do sleep 0.05; done"
    )
    person.sees("ready")
    person.types("\x03")
    person.sees("stopped")
    person.sees("report: exit 5")


def test_second_ctrl_c_ends_a_job_that_ignores_the_first(sit: Sit) -> None:
    person = sit("sh", "-c", f"trap '' INT TERM; {ENDLESS}")
    person.sees("ready")
    person.types("\x03")
    person.sees("^C")
    person.types("\x03")
    person.sees("report: exit 137")


def test_ctrl_c_in_a_shell_ends_its_command_and_never_the_shell(sit: Sit) -> None:
    person = sit("bash", "--norc", "-i", env={"PS1": "next> "})
    for _ in range(3):
        person.sees("next> ")
        person.types(f"sh -c 'trap \"exit 9\" INT; echo waits; {ENDLESS}'\r")
        person.sees("waits\r\n")
        person.types("\x03")
    person.sees("next> ")
    person.types("echo still $((40 + 2)); exit 3\r")
    person.sees("still 42")
    person.sees("report: exit 3")


def test_terminal_is_as_it_was_afterwards(sit: Sit) -> None:
    person = sit("sh", "-c", "stty raw -echo; echo done")
    before = termios.tcgetattr(person.keyboard)
    person.sees("report: exit 0")
    assert termios.tcgetattr(person.keyboard) == before


def test_job_cannot_type_into_the_terminal(sit: Sit, bench: Bench) -> None:
    code = (
        "import fcntl, termios\n"
        "try: fcntl.ioctl(0, termios.TIOCSTI, b'x')\n"
        "except OSError as e: print('refused', e.errno)\n"
    )
    person = sit(bench.python, "-I", "-S", "-c", code)
    person.sees("refused 1")


def test_hang_up_ends_the_job(sit: Sit) -> None:
    person = sit("sh", "-c", "trap '' HUP; echo ready; sleep 600", grace_s=0.2)
    person.sees("ready")
    os.kill(_runner_of(person), signal.SIGHUP)
    assert person.sees("report: exit")


def _runner_of(person: Person) -> int:
    """``setsid`` forks when it must; the runner is its child, or itself."""
    path = f"/proc/{person.runner.pid}/task/{person.runner.pid}/children"
    with open(path) as file:
        children = file.read().split()
    return int(children[0]) if children else person.runner.pid
