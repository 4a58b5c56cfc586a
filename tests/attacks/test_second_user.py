"""Claim: another user of the same machine cannot read the lab, its keys, what its runtime
folder holds or which heads were seen, and cannot talk to its key service.

A process of another uid really tries, with the folders around opened to everybody, so that
what stops it is Cloister's own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.killing import keyds, keys_folder, lab_folder, runtime_folder
from tests.conftest import Shell, new_shell, write_scans

STRANGER = 65534
_BECOME = """
import difflib, json, os, socket, sys
import cloister.cli.commands.get, cloister.cli.commands.ls, cloister.cli.commands.audit
import cloister.app.auditing, cloister.db.postgresql, cloister.keys.launch
from cloister.cli.main import call
os.setgroups([]); os.setgid({uid}); os.setuid({uid})
"""
_TRY = """
def outcome(act, path):
    try:
        return repr(act(path))
    except OSError as error:
        return type(error).__name__

def read(path):
    with open(path, "rb") as file:
        return file.read(4)

def talk(path):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
    return "connected"

acts = {"list": os.listdir, "read": read, "talk": talk,
        "write": lambda path: open(path, "ab"), "make": lambda path: os.mkdir(path + "/mine")}
print(json.dumps([outcome(acts[act], path) for act, path in json.loads(sys.argv[1])]))
"""
_CALL = """
status = call(json.loads(sys.argv[1]))
print("status", status)
"""
_ASK = """
from cloister.core.errors import CloisterError
client = cloister.keys.launch.connect(__import__("pathlib").Path(json.loads(sys.argv[1])))
for verb in (client.status, client.lock, client.stop, lambda: client.unlock("guess")):
    try:
        print(verb())
    except CloisterError as error:
        print(error.code, error.message)
"""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def as_stranger(shell: Shell, script: str, argument: object) -> str:
    """What another user's process says."""
    code = _BECOME.format(uid=STRANGER) + script
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(argument)],
        cwd="/",
        env=shell.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def lab() -> Iterator[Shell]:
    """A lab whose surroundings everybody may enter: only what Cloister made is closed."""
    with new_shell() as shell:
        before = os.umask(0o022)
        try:
            write_scans(shell.folder / "scans")
            shell("init")
            shell("add", "scans", "--subject-pattern", "^(P[0-9]+)/")
        finally:
            os.umask(before)
        for folder in (shell.home.parent, shell.home, shell.home / "run"):
            folder.chmod(0o755)
        yield shell


def closed_folders(lab: Shell) -> list[Path]:
    return [
        lab_folder(lab),
        keys_folder(lab),
        runtime_folder(lab),
        lab.home / ".local/state/cloister/heads",
    ]


def test_nothing_of_a_lab_opens_for_another_user(lab: Shell) -> None:
    folders = closed_folders(lab)
    files = [path for folder in folders for path in folder.rglob("*")]
    assert len(files) > 15
    tries = [("list", str(folder)) for folder in folders]
    tries += [("make", str(folder)) for folder in folders]
    tries += [("read", str(path)) for path in files if path.is_file()]
    tries += [("write", str(path)) for path in files if path.is_file()]
    tries += [("list", str(path)) for path in files if path.is_dir()]
    tries += [("talk", str(path)) for path in files if path.is_socket()]
    said = json.loads(as_stranger(lab, _TRY, tries))
    assert {act for act, _ in tries} == {"list", "make", "read", "write", "talk"}
    opened = [pair for pair, got in zip(tries, said, strict=True) if got != "PermissionError"]
    assert opened == []


def test_what_everybody_may_enter_lets_the_stranger_try(lab: Shell) -> None:
    """The control: what stops them is not the folder above, nor a mistake of this test."""
    (lab.home / "open").write_text("hello")
    tries = [("list", str(lab.home)), ("read", str(lab.home / "open"))]
    said = json.loads(as_stranger(lab, _TRY, tries))
    assert "cloister-lab" in said[0]
    assert said[1] == "b'hell'"


@pytest.mark.parametrize("words", [("ls",), ("audit",), ("get", "data1", "-o", "/tmp/never")])
def test_every_command_refuses_another_user_in_plain_words(
    lab: Shell, words: tuple[str, ...]
) -> None:
    said = as_stranger(lab, _CALL, ["--lab", str(lab_folder(lab)), *words])
    assert "status 2" in said
    assert "E101: the lab folder cannot be read by this user" in said


def test_the_key_service_refuses_another_user_even_where_the_folders_stand_open(
    lab: Shell,
) -> None:
    """It asks the kernel who is there (SO_PEERCRED), before it reads a byte of theirs."""
    runtime = runtime_folder(lab)
    walls = [(runtime.parent, 0o755), (runtime, 0o755), (runtime / "keyd.sock", 0o666)]
    before = [(path, path.stat().st_mode) for path, _ in walls]
    for path, mode in walls:
        path.chmod(mode)
    try:
        said = as_stranger(lab, _ASK, str(runtime / "keyd.sock")).splitlines()
    finally:
        for path, found in before:
            path.chmod(found)
    assert said == [f"E201 the key service does not answer uid {STRANGER}"] * 4
    assert len(keyds(lab)) == 1
    assert lab.json("ls")[0]["records"] == 12


def test_a_stranger_who_was_let_into_the_folder_is_still_nobody_in_the_lab(lab: Shell) -> None:
    """Walls apart: whoever can read the files without being a member may not even audit."""
    folder = lab_folder(lab)
    opened = [folder, *folder.rglob("*")]
    before = [(path, path.stat().st_mode) for path in opened]
    for path in opened:
        path.chmod(0o777 if path.is_dir() else 0o666)
    place = lab.home / "of the stranger"
    place.mkdir(exist_ok=True)
    place.chmod(0o777)
    try:
        script = f"os.environ.update(HOME={str(place)!r}, XDG_RUNTIME_DIR={str(place)!r})\n"
        said = as_stranger(lab, script + _CALL, ["--lab", str(folder), "audit"])
    finally:
        for path, found in before:
            path.chmod(found)
    assert "status 3" in said
    assert "E201" in said


def test_folders_that_were_opened_are_named_by_doctor(lab: Shell) -> None:
    folder = lab_folder(lab)
    folder.chmod(0o755)
    try:
        said = lab("doctor", status=6).stdout
    finally:
        folder.chmod(0o700)
    assert "other users can look into it" in said
    assert f"chmod 700 {folder}" in said
