"""Claim: a pipeline's data are safe on the way to another machine and back, and nothing of
them stays there: the host is who it is known to be, what crosses is sealed and counted, nothing
is written to its disks, and all of it ends with the connection, whoever is killed.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import cloister
from cloister.core.errors import BadInput, Tampered
from cloister.keys.exchange import Exchange
from cloister.workflows.far.sealed import Sealing
from cloister.workflows.far.ssh import Address
from tests.attacks.byte_search import ByteSearch
from tests.attacks.canaries import Canaries
from tests.attacks.elsewhere import mark, near, readable, ward_with
from tests.attacks.killing import processes_naming, wait_until
from tests.conftest import Shell
from tests.fence.benches import weaker_python
from tests.processes import relays
from tests.recovery.second_box import SecondBox

FLOW = """
import os, subprocess, sys, time
from pathlib import Path
import cloister as cl

@cl.task
def read(scans):
    return {p.name: p.read_text() for p in Path(scans).rglob("*.txt")}

@cl.task(cache=False)
def keep(texts, seconds):
    for place in (Path("."), Path("/tmp"), Path.home(), Path("/dev/shm")):
        (place / "kept.txt").write_text(str(texts))
    print(texts)
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "MARK"])
    time.sleep(float(seconds))
    return {"texts": texts, "file": cl.File("kept.txt")}

with cl.pipeline("ward"):
    keep(read(cl.dataset("data1")), cl.param("seconds", 0.0))
"""
pytestmark = pytest.mark.xdist_group("far")  # they look for workers of this machine


@pytest.fixture(scope="module")
def canaries() -> Canaries:
    return Canaries.new()


@pytest.fixture(scope="module")
def ward(canaries: Canaries) -> Iterator[Shell]:
    with ward_with(FLOW, canaries) as shell:
        yield shell


def words(*more: str) -> tuple[str, ...]:
    return ("pipeline", "run", "flow.py", "--workdir", "code", *more)


def one(shell: Shell, value: int = 1) -> str:
    """A pipeline of one small task, and of one with a fence of its own."""
    text = f"import cloister as cl\n@cl.task\ndef one(): return {value}\n"
    text += f"@cl.task(fence='fresh')\ndef alone(): return {value}\n"
    text += "with cl.pipeline('one'):\n    one()\n    alone()\n"
    (shell.folder / "code/one.py").write_text(text)
    return "one.py"


def held(shell: Shell, box: SecondBox) -> subprocess.Popen[str]:
    """A run whose task is under way on the other machine, for longer than anybody waits."""
    running = shell.start(
        *words("--on", "ssh:second", "-p", "seconds=600"), env=near(shell, box)
    )
    try:
        wait_until(lambda: processes_naming(mark(shell)))
    except BaseException:
        running.kill()
        running.communicate()
        raise
    return running


def ends(shell: Shell) -> Callable[[], bool]:
    return lambda: not processes_naming(mark(shell)) and not relays()


def worker() -> int:
    """The process on the other machine, and not the ssh that leads to it."""
    (found,) = [
        pid for pid in relays() if Path(f"/proc/{pid}/comm").read_text().startswith("python")
    ]
    return found


def test_a_host_that_is_not_known_is_refused_before_anything_is_said(
    ward: Shell, box: SecondBox
) -> None:
    known = Path(box.path).parent / "nobody"
    refused = ward(*words("--on", "ssh:stranger"), status=None, env=near(ward, box))
    assert refused.returncode != 0
    assert "is not who it should be, or is not known" in refused.stderr
    other = (Path(box.path).parent / "user.pub").read_text().split()[:2]
    known.write_text(f"[127.0.0.1]:{box.port} {' '.join(other)}\n")  # another key than it has
    refused = ward(*words("--on", "ssh:stranger"), status=None, env=near(ward, box))
    assert "is not who it should be, or is not known" in refused.stderr
    assert not relays()
    assert other[1] in known.read_text()
    known.unlink()


def test_an_address_is_no_option_of_ssh() -> None:
    for one in ("ssh:-oProxyCommand=touch x", "ssh:", "ssh:a b", "ssh:a;b", "ftp:host"):
        with pytest.raises(BadInput, match="is no place to run on"):
            Address.parse(one)


def test_nothing_readable_is_on_a_disk_while_it_runs_and_after_it_was_killed(
    ward: Shell, box: SecondBox, canaries: Canaries
) -> None:
    search, began = ByteSearch(canaries.words), time.time() - 1

    def hits() -> list[str]:
        return readable(ward, box, search, began)

    running = held(ward, box)
    try:
        assert not hits()
        os.kill(worker(), signal.SIGKILL)
    finally:
        running.send_signal(signal.SIGKILL)
        running.communicate()
    wait_until(ends(ward))
    assert not hits()


@pytest.mark.parametrize("killed", ["here", "there"])
def test_whoever_is_killed_the_task_ends_with_the_connection(
    ward: Shell, box: SecondBox, killed: str
) -> None:
    running = held(ward, box)
    task = processes_naming(mark(ward))
    try:
        os.kill(running.pid if killed == "here" else worker(), signal.SIGKILL)
        wait_until(lambda: set(task).isdisjoint(processes_naming(mark(ward))))
    finally:
        running.send_signal(signal.SIGKILL)
        running.communicate()
    wait_until(ends(ward))


def test_another_cloister_at_the_other_end_is_refused(
    ward: Shell, box: SecondBox, tmp_path: Path
) -> None:
    home = Path(cloister.__file__).parent
    shutil.copytree(
        home, tmp_path / "cloister", ignore=shutil.ignore_patterns("dist", "__pycache__")
    )
    edited = tmp_path / "cloister/fence/filter.py"
    edited.write_text(edited.read_text() + "\n# edited\n")
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nshift\nPYTHONPATH={tmp_path} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    refused = ward(*words("--on", f"ssh:second{python}"), status=2, env=near(ward, box))
    assert "has another Cloister than this machine" in refused.stderr


def test_a_host_that_gives_a_weaker_fence_is_refused_unless_that_is_allowed(
    ward: Shell, box: SecondBox, tmp_path: Path
) -> None:
    python = weaker_python(tmp_path, "unshare=EPERM")
    on = (
        "pipeline",
        "run",
        one(ward),
        "--workdir",
        "code",
        "--anew",
        "--on",
        f"ssh:second{python}",
    )
    refused = ward(*on, status=None, env=near(ward, box))
    assert refused.returncode != 0
    assert "level partial, full is required" in refused.stderr
    ward(*on, "--fence", "partial", env=near(ward, box))


def test_results_of_other_libraries_are_not_used_in_place_of_ours(
    ward: Shell, box: SecondBox, tmp_path: Path
) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "v"], check=True)
    (packages,) = (tmp_path / "v/lib").glob("python3*/site-packages")
    (ours,) = Path(sys.prefix).glob("lib/python3*/site-packages")
    (packages / "ours.pth").write_text(f"{ours}\n{Path(cloister.__file__).parent.parent}\n")
    run = ("pipeline", "run", one(ward, 2), "--workdir", "code")
    there = ward.json(*run, "--on", f"ssh:second{tmp_path}/v/bin/python", env=near(ward, box))
    assert there["made"] == 2
    keys = ward.sql("SELECT cache FROM flow_attempt WHERE flow = ?", there["flow"])
    assert keys == [("",), ("",)]
    assert ward.json(*run)["made"] == 2


def test_a_message_that_was_changed_dropped_repeated_or_sent_back_opens_nothing() -> None:
    ours, theirs = Exchange(), Exchange()
    key = ours.agree(theirs.public)
    assert theirs.agree(ours.public) == key

    def pair() -> tuple[Sealing, Sealing]:
        return Sealing(key, far=False), Sealing(key, far=True)

    here, there = pair()
    first, second = here.seal({"n": 1}), here.seal({"n": 2})
    assert (there.open(first), there.open(second)) == ({"n": 1}, {"n": 2})
    for sent in ([second], [first, first], [first[:-1] + bytes([first[-1] ^ 1])]):
        _, there = pair()
        with pytest.raises(Tampered):
            [there.open(one) for one in sent]
    here, _ = pair()
    with pytest.raises(Tampered):
        here.open(first)
    with pytest.raises(Tampered):
        ours.agree(bytes(32))
