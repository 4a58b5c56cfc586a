"""Claim: a run on another machine gives its data to that machine's memory and to nothing else,
and what that machine says of it is believed as little as what any job leaves.

The other end of the second half is hostile: it knows the key, and says what it likes.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from cloister.core.errors import CloisterError, MachineLost, NoSpace, Tampered
from cloister.fence import File, Files, Mount
from cloister.runs.environment import Environment
from cloister.workflows.far.carrier import ROOM
from cloister.workflows.far.connection import Connection, Host
from cloister.workflows.far.sealed import Sealing
from cloister.workflows.far.there import There
from tests.attacks.byte_search import ByteSearch
from tests.attacks.canaries import Canaries
from tests.attacks.elsewhere import mark, near, readable, ward_with
from tests.attacks.hostile_machine import CHANGES, LEFT, REPORT, Wire, asked
from tests.attacks.killing import processes_naming, wait_until
from tests.conftest import Shell
from tests.processes import relays
from tests.recovery.second_box import SecondBox

pytestmark = pytest.mark.xdist_group("far")  # they look for relays of this machine
TRAIN = """
import json, os, subprocess, sys, time, urllib.request
from pathlib import Path

def ask(what, **fields):
    url = os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/" + what
    asked = urllib.request.Request(url, json.dumps(fields).encode(), method="POST")
    asked.add_header("Content-Type", "application/json")
    return json.load(urllib.request.urlopen(asked))

text = "".join(one.read_text() for one in sorted(Path(sys.argv[1]).rglob("*.txt")))
for place in (Path("."), Path("/tmp"), Path.home(), Path("/dev/shm")):
    (place / "kept.txt").write_text(text)
print(text)
run = ask("create", experiment_id="0")["run"]
ask("log-metric", run_id=run["info"]["run_id"], key="n", value=4, timestamp=1, step=0)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "MARK"])
time.sleep(float(sys.argv[2]))
"""


@pytest.fixture(scope="module")
def canaries() -> Canaries:
    return Canaries.new()


@pytest.fixture(scope="module")
def ward(canaries: Canaries) -> Iterator[Shell]:
    with ward_with("", canaries) as shell:
        text = TRAIN.replace("MARK", mark(shell))
        (shell.folder / "code/train.py").write_text(text)
        yield shell


def words(on: str, seconds: int) -> list[str]:
    job = ["python", "train.py", "../scans", str(seconds)]
    return ["run", "--workdir", "code", "--on", on, "--", *job]


def test_nothing_readable_crosses_the_line_or_lies_on_a_disk(
    ward: Shell, box: SecondBox, canaries: Canaries, tmp_path: Path
) -> None:
    search, began = ByteSearch(canaries.words), time.time() - 1
    python = tmp_path / "python"  # writes down all that ssh carries, both ways
    python.write_text(
        f'#!/bin/sh\ntee {tmp_path}/to | {sys.executable} "$@" | tee {tmp_path}/from\n'
    )
    python.chmod(0o755)
    running = ward.start(*words(f"ssh:second{python}", 600), env=near(ward, box))
    try:
        wait_until(lambda: processes_naming(mark(ward)))
        for name in ("to", "from"):
            crossed = (tmp_path / name).read_bytes()
            assert len(crossed) > 2000
            assert not search.in_bytes(crossed)
        assert not readable(ward, box, search, began)
    finally:
        running.send_signal(signal.SIGKILL)
        running.communicate()
    wait_until(lambda: not processes_naming(mark(ward)) and not relays())
    assert not readable(ward, box, search, began)
    ward("ls")  # takes up what was killed
    ((run, state),) = ward.sql("SELECT run, state FROM run ORDER BY begun DESC LIMIT 1")
    assert state == "interrupted"
    # the reading was on record before the first byte left
    assert ward.sql("SELECT count(*) FROM read WHERE run = ?", run) == [(1,)]


def test_what_it_tracks_there_is_its_own_runs(
    ward: Shell, box: SecondBox, canaries: Canaries
) -> None:
    done = ward.json(*words("ssh:second", 0), env=near(ward, box))
    (found, *_) = ward.json("tracked", "ls")
    assert found["metrics"] == {"n": "4.0"}
    assert canaries.words[0] in ward("logs", done["run"]).stdout


def change(path: bytes, content: bytes = b"x", size: int | None = None, **more: Any) -> Any:
    made = {"content": content, "kind": "added", "link": None, "mode": 0o644, "more": False}
    named = {"do": "change", "path": path, "size": len(content) if size is None else size}
    return made | named | more


def test_an_honest_machine_is_believed() -> None:
    more = {"do": "content", "content": b"y", "more": False}
    told = (CHANGES, change(b"a/b", size=2, more=True), more, LEFT)
    assert asked(Wire(), *told, {"do": "report", "report": REPORT}) == ["a/b"]


@pytest.mark.parametrize(
    "path", [b"../a", b"/etc/passwd", b"a/../../b", b"a//b", b".", b"", b"a\0b"]
)
def test_a_path_that_comes_back_stays_in_its_folder(path: bytes) -> None:
    with pytest.raises(Tampered, match="leaves its folder"):
        asked(Wire(), CHANGES, change(path), LEFT)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ((CHANGES, change(b"a"), change(b"a")), "twice"),
        ((CHANGES, change(b"a", size=2)), "not as long"),
        ((CHANGES, change(b"a", size=0, more=True)), "not as long"),
        ((CHANGES, change(b"a", size=5, more=True), change(b"b")), "in the middle"),
        ((CHANGES, {"do": "report", "report": REPORT}), "in the middle"),
        ((CHANGES, LEFT, CHANGES, LEFT), "no job says"),
        (({"do": "fill", "mount": 0},), "out of turn"),
        (({"do": "report", "report": REPORT | {"level": "none"}},), "weaker fence"),
        (({"do": "report", "report": REPORT | {"notes": None}},), "report that is none"),
    ],
)
def test_what_no_job_says_is_refused(told: tuple[Mapping[str, Any], ...], said: str) -> None:
    with pytest.raises(Tampered, match=said):
        asked(Wire(), *told)


def test_more_than_it_could_have_left_here_is_refused() -> None:
    with pytest.raises(NoSpace):
        asked(Wire(), CHANGES, change(b"a", size=2 << 20, more=True))
    many = [change(b"%d" % n, b"") for n in range(300)]  # 300 pages are more than the room
    with pytest.raises(NoSpace):
        asked(Wire(), CHANGES, *many)


def test_data_are_given_once() -> None:
    given: list[int] = []

    def each() -> Iterator[File]:
        given.append(1)
        yield File("a", [b"x"])

    fill = {"do": "fill", "mount": 0}
    with pytest.raises(Tampered, match="out of turn"):
        asked(Wire(), fill, fill, mounts=(Mount(Path("/d"), Files(each)),))
    assert given == [1]


def bent(how: str) -> Callable[[Wire], None]:
    def bend(wire: Wire) -> None:
        first, second = (wire.theirs.seal(one) for one in (CHANGES, LEFT))
        frames = {
            "changed": [first[:-1] + bytes([first[-1] ^ 1])],
            "repeated": [first, first],
            "dropped": [second],
            "sent back": [Sealing(bytes(32), far=False).seal(CHANGES)],
        }
        for one in frames[how]:
            wire.came.put(one)

    return bend


@pytest.mark.parametrize("how", ["changed", "repeated", "dropped", "sent back"])
def test_a_frame_that_was_bent_on_the_way_ends_the_run(how: str) -> None:
    wire = Wire()
    bent(how)(wire)
    with pytest.raises(MachineLost):
        asked(wire)


@pytest.mark.parametrize(
    "told",
    [
        {"do": "said", "content": "text", "stream": 1},
        {"do": "format"},
        {"do": "knock", "stream": 1},
        {"do": "took", "lane": "moon", "room": 1},
        change(b"a", kind="eaten"),
    ],
)
def test_a_message_of_no_known_shape_ends_the_run(told: Mapping[str, Any]) -> None:
    with pytest.raises(MachineLost):
        asked(Wire(), told)


def test_a_machine_that_says_more_than_it_was_let_is_hung_up_on() -> None:
    """Its words are held in memory until they are heard: so many and no more."""
    wire, loud = Wire(), {"do": "said", "stream": 1, "content": bytes(1 << 20)}
    host = Host(wire.where, Environment("", b"", 0), {}, 1, 0, sys.executable)
    There(Connection(wire, wire.ours, host))  # nobody hears it
    said = 6 * ROOM // (1 << 20)
    wire.answer(*[loud] * said)
    assert wire.closed.wait(120)
    heard = said - wire.came.qsize()
    assert heard <= 4 * ROOM // (1 << 20) + 1


def test_what_a_machine_refuses_with_is_an_error_of_ours() -> None:
    for kind in ("BadInput", "NoSuch", "CloisterError", "__builtins__"):
        said = {"do": "refused", "error": "e" * 10_000, "hint": None, "kind": kind}
        with pytest.raises(CloisterError) as raised:
            asked(Wire(), said)
        assert len(raised.value.message) < 600
        assert os.linesep not in raised.value.message
