"""A real sshd on loopback, with keys of its own, and an `ssh` that knows them."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.processes import RELAY, is_below, processes

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"


@dataclass(frozen=True)
class SecondBox:
    """Reached by ``ssh:`` while ``path`` is at the front of PATH."""

    path: str
    port: int
    process: subprocess.Popen[bytes]

    def uri(self, folder: Path) -> str:
        return f"ssh:second:{folder}"

    def relays(self) -> list[int]:
        """What serves pipelines and runs at the other end of its connections."""
        named = [pid for pid, words in processes() if RELAY in words]
        return [pid for pid in named if is_below(pid, self.process.pid)]

    @property
    def search_path(self) -> str:
        return f"{self.path}:{os.environ['PATH']}"


@contextmanager
def second_box(folder: Path) -> Iterator[SecondBox]:
    """The server, until the block ends."""
    if not Path(SSHD).exists() or not shutil.which("ssh-keygen"):
        pytest.skip("no sshd")
    folder.mkdir(mode=0o700)
    for name in ("host", "user"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(command, check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shutil.copy(folder / "user.pub", folder / "authorized")
    (folder / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {folder}/host\n"
        f"AuthorizedKeysFile {folder}/authorized\nStrictModes no\nUsePAM no\n"
        f"PidFile {folder}/pid\nPermitRootLogin yes\nMaxStartups 50\n"
        "Subsystem sftp internal-sftp\n"
    )
    key = " ".join((folder / "host.pub").read_text().split()[:2])
    (folder / "known").write_text(f"[127.0.0.1]:{port} {key}\n")
    (folder / "config").write_text(
        f"Host second\n HostName 127.0.0.1\n Port {port}\n User {getpass.getuser()}\n"
        f" IdentityFile {folder}/user\n IdentitiesOnly yes\n"
        f" UserKnownHostsFile {folder}/known\n"
        "Host 127.0.0.1\n"
        f" Port {port}\n IdentityFile {folder}/user\n IdentitiesOnly yes\n"
        f" UserKnownHostsFile {folder}/known\n"
        "Host stranger\n HostName 127.0.0.1\n"
        f" Port {port}\n User {getpass.getuser()}\n IdentityFile {folder}/user\n"
        f" UserKnownHostsFile {folder}/nobody\n"
    )
    (folder / "bin").mkdir()
    wrapper = folder / "bin/ssh"
    wrapper.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/config "$@"\n')
    wrapper.chmod(0o700)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    with subprocess.Popen(
        [SSHD, "-D", "-e", "-f", str(folder / "sshd_config")], stderr=subprocess.DEVNULL
    ) as process:
        try:
            _wait_for(port)
            made = SecondBox(str(folder / "bin"), port, process)
            yield made
            _until_left(made)  # whoever looks for relays next sees none of ours
        finally:
            process.terminate()


def _until_left(box: SecondBox) -> None:
    end = time.monotonic() + 60
    while box.relays() and time.monotonic() < end:
        time.sleep(0.05)


def _wait_for(port: int) -> None:
    for _ in range(1200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail("sshd never listened")
