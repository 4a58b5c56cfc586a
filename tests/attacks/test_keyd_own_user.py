"""Claim: with a key service that runs as an OS user of its own, a lab's user works as before,
and neither that user nor another of the same group can read its keys folder, put a service in
its place, or get an answer without a lease.

Real processes of real users: the key service drops from root to a uid of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import Shell, write_scans

KEYD, STRANGER, GROUP = 61001, 61003, 61010
_KEYD = """
import os, sys
from cloister.app.keyd import main
import cloister.keys.providers.file, cloister.keys.service.vault, encodings.idna, pwd
os.setgroups([{group}]); os.setgid({uid}); os.setuid({uid}); os.umask(0o077)
sys.exit(main(sys.argv[1:]))
"""
_TRY = """
import json, os, pathlib, sys
from cloister.core.errors import CloisterError
from cloister.keys.client import KeyClient
os.setgroups([{group}]); os.setgid({uid}); os.setuid({uid})
keys, socket, lease = sys.argv[1:]
said = {{}}
for name, act in {{
    "list": lambda: os.listdir(keys),
    "read": lambda: open(keys + "/epoch.record", "rb").read(4),
    "replace": lambda: os.rename(socket, socket + ".old"),
    "lease": lambda: open(lease, "rb").read(),
    "status": lambda: KeyClient(pathlib.Path(socket), keyd_uid={keyd}).status(),
}}.items():
    try:
        said[name] = repr(act())
    except (OSError, CloisterError) as error:
        said[name] = type(error).__name__
print(json.dumps(said))
"""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@dataclass(frozen=True)
class Apart:
    """A key service of another user, and where it is."""

    keys: Path
    socket: Path

    def tried_by(self, uid: int, lease: Path) -> dict[str, str]:
        """What becomes of a process of that user which tries to get in."""
        code = _TRY.format(uid=uid, group=GROUP, keyd=KEYD)
        words = [sys.executable, "-c", code, str(self.keys), str(self.socket), str(lease)]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        said: dict[str, str] = json.loads(done.stdout)
        return said


@pytest.fixture
def apart() -> Iterator[Apart]:
    """Answers the user of the tests; its folder is the group's to enter."""
    place = Path(tempfile.mkdtemp(prefix="ck-"))
    place.chmod(0o755)
    found = Apart(place / "keys", place / "run/keyd.sock")
    found.keys.mkdir(mode=0o700)
    found.socket.parent.mkdir()
    found.socket.parent.chmod(0o750)
    os.chown(found.keys, KEYD, KEYD)
    os.chown(found.socket.parent, KEYD, GROUP)
    code = _KEYD.format(uid=KEYD, group=GROUP)
    words = ["--keys", str(found.keys), "--socket", str(found.socket), "--allow-user", "0"]
    service = subprocess.Popen([sys.executable, "-c", code, *words])
    deadline_s = time.monotonic() + 60
    while not found.socket.exists():
        assert service.poll() is None and time.monotonic() < deadline_s  # noqa: PT018
        time.sleep(0.02)
    yield found
    service.kill()
    service.wait()
    shutil.rmtree(place)


def founded(shell: Shell, apart: Apart) -> Shell:
    """A lab whose keys are with that service, with some patients."""
    said = shell("init", "lab", "--keyd", str(apart.socket))
    assert "DEVELOPMENT SEAL" not in said.stdout + said.stderr
    write_scans(shell.folder / "scans")
    return shell


def lease_of(shell: Shell) -> Path:
    return next((shell.home / "run/cloister").glob("*/owner.lease"))


def test_a_lab_works_with_its_keys_at_another_user(shell: Shell, apart: Apart) -> None:
    lab = founded(shell, apart)
    done = lab("add", "scans", "--subject-pattern", "^(P[0-9]+)/")
    assert "DEVELOPMENT SEAL" not in done.stderr
    lab("run", "--data", "data1", "--", "sh", "-c", "echo done > out")
    lab("erase", "-", "--reason", "withdrawn", "--yes", typed="P001\n")
    assert lab.json("audit")["whole"]
    seal = next(found for found in lab.json("doctor") if found["what"] == "seal")
    assert seal["health"] == "sound"
    assert not list((lab.home / ".local/share").rglob("*.record"))
    assert {path.stat().st_uid for path in apart.keys.iterdir()} == {KEYD}


def test_locked_it_opens_with_the_passphrase_alone(shell: Shell, apart: Apart) -> None:
    lab = founded(shell, apart)
    lab("lock")
    assert "E301" in lab("ls", status=4).stderr
    (lab.home / "wrong").write_text("guess\n")
    wrong = lab("unlock", "--passphrase-file", str(lab.home / "wrong"), status=4)
    assert "E302" in wrong.stderr
    lab("unlock")
    lab("ls")


def test_another_of_the_same_group_gets_nothing(shell: Shell, apart: Apart) -> None:
    lab = founded(shell, apart)
    said = apart.tried_by(STRANGER, lease_of(lab))
    assert said == {
        "list": "PermissionError",
        "read": "PermissionError",
        "replace": "PermissionError",
        "lease": "PermissionError",
        "status": "NotAllowed",
    }


def test_the_socket_is_the_groups_and_nobody_elses(shell: Shell, apart: Apart) -> None:
    found = apart.socket.stat()
    assert stat.S_IMODE(found.st_mode) == 0o660
    assert found.st_gid == GROUP


@pytest.mark.parametrize("mode", [0o770, 0o757])
def test_a_socket_that_others_can_replace_is_refused(
    shell: Shell, apart: Apart, mode: int
) -> None:
    apart.socket.parent.chmod(mode)
    assert "E103" in shell("init", "lab", "--keyd", str(apart.socket), status=2).stderr


def test_a_service_of_yet_another_user_in_its_place_is_refused(
    shell: Shell, apart: Apart
) -> None:
    lab = founded(shell, apart)
    settings = lab.folder / "lab/cloister.toml"
    settings.write_text(settings.read_text().replace(f"uid = {KEYD}", f"uid = {STRANGER}"))
    assert "E201" in lab("ls", status=3).stderr


def test_a_service_that_is_gone_is_not_started_as_this_user(shell: Shell, apart: Apart) -> None:
    lab = founded(shell, apart)
    settings = lab.folder / "lab/cloister.toml"
    text = settings.read_text()
    settings.write_text(text.replace(str(apart.socket), str(apart.socket) + ".gone"))
    said = lab("unlock", status=4).stderr
    assert "E304" in said
    assert "systemctl start" in said


def test_a_second_lab_in_the_same_service_is_refused(shell: Shell, apart: Apart) -> None:
    founded(shell, apart)
    again = shell("init", "other", "--keyd", str(apart.socket), status=2)
    assert "E102" in again.stderr
