"""The line ``ssh:``: the system's own ssh, to a host whose key is known already."""

from __future__ import annotations

import re
import select
import shlex
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from cloister.core.errors import BadInput, NotAllowed, NotFound
from cloister.pipelines.inside.frames import LONGEST, Frames, pack, write_all
from cloister.recovery.ssh import OPTIONS
from cloister.workflows.far.sealed import Gone

_ADDRESS = re.compile(
    r"ssh:(?P<host>[A-Za-z0-9_][A-Za-z0-9_.@-]*)(:(?P<port>[0-9]{1,5}))?(?P<python>/.+)?"
)
_KEY = re.compile(rb"Server host key: \S+ (SHA256:\S+)")
_ALONE = (
    "-T",
    "-v",  # which key the host showed is said nowhere else
    "-oControlPath=none",  # over a connection of somebody else's it would not be said
    "-oUpdateHostKeys=no",  # what is known of hosts is changed by hand
    "-oForwardAgent=no",
    "-oForwardX11=no",
    "-oClearAllForwardings=yes",
    "-oPermitLocalCommand=no",
)
_CHUNK = 1 << 18
_LOOKS = 40
_MODULE = "cloister.workflows.far.relay"


@dataclass(frozen=True, slots=True)
class Address:
    """Where ``ssh:[user@]host[:port][/path/of/python]`` leads."""

    text: str
    host: str
    port: int | None
    python: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises BadInput."""
        found = _ADDRESS.fullmatch(text)
        if found is None:
            raise BadInput(
                f"{text!r} is no place to run on",
                hint="ssh:user@host, ssh:host:2222 or ssh:host/opt/cloister/bin/python",
            )
        port = found["port"]
        python = found["python"] or sys.executable
        return cls(text, found["host"], int(port) if port else None, python)

    def command(self) -> list[str]:
        """What starts the worker there."""
        port = [f"-p{self.port}"] if self.port else []
        there = f"exec {shlex.quote(self.python)} -I -m {_MODULE}"
        return ["ssh", *OPTIONS, *_ALONE, *port, "--", self.host, there]


class SshLine:
    """One connection. Raises NotFound where there is no ssh, NotAllowed for a host whose key
    is unknown, or another."""

    def __init__(self, address: Address, longest: int = LONGEST) -> None:
        self.where = address.text
        self._process = _started(address.command())
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in = self._process.stdin
        self._out = self._process.stdout.fileno()
        self._frames, self._waiting = Frames(longest), list[bytes]()
        self._said = bytearray()
        self._fingerprint = ""
        self._reader = threading.Thread(target=self._read, name="ssh-says", daemon=True)
        self._reader.start()
        self._lock = threading.Lock()

    def say(self, sealed: bytes) -> None:
        """See `Line`."""
        with suppress(OSError, ValueError):  # its end is heard
            write_all(self._in.fileno(), pack(sealed))

    def hear(self, patience_s: float) -> bytes | None:
        """See `Line`."""
        while not self._waiting:  # a long message comes in many pieces
            if not select.select([self._out], [], [], patience_s)[0]:
                return None
            assert self._process.stdout is not None
            data = self._process.stdout.read(_CHUNK)
            if not data:
                self._process.stdout.close()
                raise self._gone()
            self._note_key()
            self._waiting += [bytes(one) for one in self._frames.feed(data)]
        return self._waiting.pop(0)

    def close(self) -> None:
        """See `Line`."""
        with self._lock, suppress(OSError):
            self._in.close()
            self._process.terminate()
            self._process.wait()

    def _note_key(self) -> None:
        """The key that the host proved, the last of a chain of hosts."""
        if not self._fingerprint:
            for _ in range(_LOOKS):  # said before the worker's first word, read beside it
                found = _KEY.findall(bytes(self._said))
                if found:
                    break
                time.sleep(0.05)
            else:
                raise Gone("ssh does not say which key the host has")
            self._fingerprint = found[-1].decode()
            self.where += f" {self._fingerprint}"

    def _gone(self) -> Gone | NotAllowed:
        self._process.wait()
        self._reader.join(1.0)
        text = bytes(self._said).decode("utf-8", "replace")
        if not self._fingerprint and "Host key verification failed" in text:
            return NotAllowed(
                f"the host at {self.where} is not who it should be, or is not known",
                hint="compare its key with its admin's, then put it into known_hosts by hand",
            )
        said = [line for line in text.splitlines() if not line.startswith("debug1:")]
        said = [line for line in said if line.strip() and not line.startswith("OpenSSH")]
        return Gone(said[-1][:200] if said else "the connection ended")

    def _read(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            for line in lines:
                if len(self._said) < _CHUNK:
                    self._said += line


def _started(command: list[str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(  # noqa: S603 - the system's ssh, no shell
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,  # Ctrl-C is for us; it ends with its input
        )
    except FileNotFoundError as error:
        raise NotFound(
            "there is no ssh on this machine", hint="apt-get install openssh-client"
        ) from error
