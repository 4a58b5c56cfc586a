"""The process that decodes, seen from outside: it may crash, hang or be refused memory.

Decoders read bytes that anybody may have made. So they run in a child that holds no key, no
file and no socket, is bounded in memory and time, may write no file, and is thrown away when
it fails: what it was at is blamed, and the next record gets a fresh one.
"""

from __future__ import annotations

import base64
import contextlib
import json
import signal
import struct
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Self

LARGEST_BYTES = 256 << 20
"""Files beyond this are not looked into."""
_LENGTH = struct.Struct(">Q")
_LARGEST_REPLY = 1 << 20


@dataclass(frozen=True, slots=True)
class Asked:
    """One record to be looked into."""

    record: str
    kind: str
    path: str = field(repr=False)
    content: bytes = field(repr=False)
    read_text: bool = False
    """Whether to look for burned-in text, where tesseract is."""


class Looker:
    """Asks a child process about one record after the other; a context manager.

    ``seconds`` is the longest that one record may take.
    """

    def __init__(self, tesseract: str | None = None, seconds: int = 60) -> None:
        self._command = [
            sys.executable,
            "-Ps",
            "-m",
            "cloister.checks.looking.process",
            str(seconds),
            tesseract or "",
        ]
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def facts(self, asked: Iterable[Asked]) -> Iterator[tuple[Asked, Mapping[str, str]]]:
        """Each with its facts; never raises for what a record holds.

        The next record is handed over while the child is at the one before.
        """
        before: Asked | None = None
        for one in asked:
            if len(one.content) > LARGEST_BYTES:
                yield one, {"look": "too-large"}
                continue
            sent = self._send(_request(one))
            if before is not None:
                yield before, self._answer()
                if not sent or self._child is None:  # it died of the one before
                    self._send(_request(one))
            elif not sent:
                self._send(_request(one))
            before = one
        if before is not None:
            yield before, self._answer()

    def thumbnail(self, asked: Asked) -> bytes | None:
        """A PNG of at most 128 pixels a side; None where nothing can be shown."""
        if len(asked.content) > LARGEST_BYTES:
            return None
        self._send(_request(asked) | {"verb": "thumbnail"})
        reply = self._receive()
        found = reply.get("png") if isinstance(reply, dict) else None
        return base64.b64decode(found) if found else None

    def _answer(self) -> Mapping[str, str]:
        reply = self._receive()
        if not isinstance(reply, dict):
            return {"look": reply}
        return {str(name): str(value) for name, value in reply.items()}

    def _send(self, request: dict[str, Any]) -> bool:
        if self._child is None:
            self._child = _started(self._command)
        content = request.pop("content")
        head = json.dumps(request).encode()
        try:
            stdin = _pipe(self._child.stdin)
            stdin.write(_LENGTH.pack(len(head)) + _LENGTH.pack(len(content)) + head)
            stdin.write(content)
            stdin.flush()
        except OSError:
            return False
        return True

    def _receive(self) -> dict[str, Any] | str:
        """The reply, or why there is none."""
        if self._child is None:
            return "crashed"
        stdout = _pipe(self._child.stdout)
        with contextlib.suppress(OSError, ValueError):
            head = stdout.read(_LENGTH.size)
            if len(head) == _LENGTH.size and _LENGTH.unpack(head)[0] <= _LARGEST_REPLY:
                body = stdout.read(_LENGTH.unpack(head)[0])
                found = json.loads(body)
                if isinstance(found, dict):
                    return found
        status = self._end()
        return "endless" if status == -signal.SIGALRM else "crashed"

    def _end(self) -> int | None:
        child, self._child = self._child, None
        if child is None:
            return None
        for pipe in (child.stdin, child.stdout):
            with contextlib.suppress(OSError):
                _pipe(pipe).close()
        try:
            return child.wait(timeout=1)
        except subprocess.TimeoutExpired:
            child.kill()
            return child.wait()


def _request(asked: Asked) -> dict[str, Any]:
    return {
        "verb": "facts",
        "kind": asked.kind,
        "path": asked.path,
        "read_text": asked.read_text,
        "content": asked.content,
    }


def _started(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - our own interpreter and module, no shell
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env=_environment(),
        start_new_session=True,
    )


def _environment() -> dict[str, str]:
    """Nothing of ours but where this very Cloister lies, if that is not where all code lies."""
    root = str(Path(__file__).parents[3])
    installed = root in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    base = {"LANG": "C.UTF-8", "PATH": "/usr/local/bin:/usr/bin:/bin", "OMP_THREAD_LIMIT": "1"}
    return base | one_thread | ({} if installed else {"PYTHONPATH": root})


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe
