"""A real PostgreSQL server from Debian's packages: to be stopped, killed and run full."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from pwd import getpwnam

import pytest

_SETTINGS = {
    "listen_addresses": "''",
    "unix_socket_permissions": "0777",
    "shared_buffers": "32MB",
    "max_connections": "100",
    "max_wal_size": "256MB",
}


@cache
def programs() -> Path:
    """The folder of `initdb` and `postgres`: the newest that is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: p.parts[4])
    if not found:
        pytest.skip("no PostgreSQL server: apt-get install postgresql")
    return found[-1].parent


def _user() -> str | None:
    """Who runs it: the server refuses to run as root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return getpwnam(name).pw_name
        except KeyError:
            continue
    pytest.skip("no user to run a PostgreSQL server as")


@dataclass
class PostgresServer:
    """One server in a folder of its own; its socket is in that folder."""

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()
    """What enters the namespace of its disk, where it has one of its own."""
    process: subprocess.Popen[bytes] | None = None
    port: str = "5432"

    def uri(self, schema: str = "cloister", database: str = "lab", user: str = "lab") -> str:
        """How a lab names it."""
        return f"postgresql://{user}@/{database}?host={self.folder}&schema={schema}"

    def new_schema(self) -> str:
        """The URI of a schema that nobody has used."""
        return self.uri(f"lab_{secrets.token_hex(4)}")

    def make(self) -> None:
        """The files of a new server."""
        self._run(
            programs() / "initdb", "-D", self._data, "-E", "UTF8", "--locale=C.UTF-8",
            "-A", "trust", "-U", "postgres", "--no-sync",
        )  # fmt: skip

    def start(self, **settings: str) -> None:
        """Starts it and waits until it answers."""
        all_settings = _SETTINGS | self.settings | settings
        self.port = all_settings.get("port", "5432")
        options = [f"-c{name}={value.strip(chr(39))}" for name, value in all_settings.items()]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *self._as_user(),
                    programs() / "postgres",
                    "-D",
                    self._data,
                    "-k",
                    self.folder,
                    *options,
                ],
                stdout=log,
                stderr=log,
                cwd="/",
            )
        deadline = time.monotonic() + 60
        while not self.answers():
            assert time.monotonic() < deadline, "the server does not start"
            assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
            time.sleep(0.05)

    def answers(self) -> bool:
        """Whether it takes connections."""
        command = [programs() / "pg_isready", "-q", "-h", self.folder, "-p", self.port]
        return subprocess.run(command, check=False).returncode == 0

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Ends it: SIGINT drops its sessions, SIGQUIT as a crash would; waits for the end."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(60)
        self.process = None

    def kill(self) -> None:
        """SIGKILL for the postmaster; its children notice, and end by themselves."""
        assert self.process is not None
        group = self._children()
        self.process.kill()
        self.process.wait()
        deadline = time.monotonic() + 60
        while any(Path(f"/proc/{pid}").exists() for pid in group):
            assert time.monotonic() < deadline, "the server's children live on"
            time.sleep(0.02)
        self.process = None

    def checksums(self) -> None:
        """Gives its pages checksums; it must be stopped."""
        self._run(programs() / "pg_checksums", "--enable", "-D", self._data)

    def psql(self, sql: str, database: str = "postgres", user: str = "postgres") -> str:
        """What an administrator, or another user, is answered."""
        done = subprocess.run(
            [programs() / "psql", "-XAtq", "-h", self.folder, "-U", user, "-d", database,
             "-v", "ON_ERROR_STOP=1", "-c", sql],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def dump(self, uri: str) -> str:
        """Everything of the lab of this URI, as text: others may be on the server."""
        schema = uri.partition("schema=")[2]
        done = subprocess.run(
            [programs() / "pg_dump", "-h", self.folder, "-U", "postgres", "-n", schema, "lab"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _children(self) -> list[str]:
        assert self.process is not None
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return listed.read_text().split()

    def _as_user(self) -> list[str]:
        user = _user()
        if user is None:
            return [*self.prefix]
        return [*self.prefix, "setpriv", f"--reuid={user}", f"--regid={getpwnam(user).pw_gid}",
                "--clear-groups", "--pdeathsig=QUIT"]  # fmt: skip

    def _run(self, *command: str | Path) -> None:
        done = subprocess.run(
            [*self._as_user(), *map(str, command)], capture_output=True, check=False, cwd="/"
        )
        assert done.returncode == 0, done.stderr


@contextmanager
def postgres_server(folder: Path | None = None, **settings: str) -> Iterator[PostgresServer]:
    """A running server with a role `lab` that owns a database `lab`, gone with the block."""
    programs()
    # Short: a socket's path has 107 bytes.
    place = folder or Path(tempfile.mkdtemp(prefix="cl-pg-"))
    place.chmod(0o711)
    if (user := _user()) is not None:
        shutil.chown(place, user)
    server = PostgresServer(place, settings)
    try:
        server.make()
        server.start()
        server.psql("CREATE ROLE lab LOGIN")
        server.psql("CREATE DATABASE lab OWNER lab")
        server.psql("REVOKE ALL ON DATABASE lab FROM PUBLIC")
        yield server
    finally:
        server.stop(signal.SIGQUIT)
        if folder is None:
            shutil.rmtree(place, ignore_errors=True)
