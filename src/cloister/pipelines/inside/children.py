"""Calls as processes of their own: clean memory, a limit of time, nothing left behind."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgpack  # type: ignore[import-untyped]

from cloister.pipelines.inside.calling import call
from cloister.pipelines.inside.frames import write_all
from cloister.pipelines.tasks import Task

_SET_CHILD_SUBREAPER, _SET_DUMPABLE, _SET_PARENT_DEATH = 36, 4, 1
_LONGEST_LOG = 4 << 20


def adopt_orphans() -> None:
    """What a call leaves behind becomes this process's child, so that it can be ended; and no
    call may look into this process's memory, through which the values of others pass."""
    libc = ctypes.CDLL(None)
    libc.prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(_SET_DUMPABLE, 0, 0, 0, 0)


@dataclass(slots=True)
class Child:
    """One call under way."""

    pid: int
    watch: int
    """A descriptor that is readable once it has ended."""
    result: int
    log: int
    deadline_s: float | None
    began_s: float

    @classmethod
    def start(
        cls, task: Task, told: Mapping[str, Any], *, own_log: bool, with_files: bool
    ) -> Child:
        """Forks; the child calls, writes its answer where only it and we look, and exits."""
        result = os.memfd_create("result")
        log = os.memfd_create("log") if own_log else -1
        pid = os.fork()
        if pid == 0:
            _become(result, log)
            answer = call(task, told, with_files=with_files)
            write_all(result, msgpack.packb(answer))
            os._exit(0 if answer["ok"] else 1)
        timeout = told.get("timeout")
        now = time.monotonic()
        deadline = None if timeout is None else now + timeout
        return cls(pid, os.pidfd_open(pid), result, log, deadline, now)

    def expire(self) -> None:
        """Kills it, and what it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def finish(self) -> dict[str, Any]:
        """Its answer, once it has ended; kills whatever of its group is left."""
        late = self.deadline_s is not None and time.monotonic() >= self.deadline_s
        _, status, used = os.wait4(self.pid, 0)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(status)
        answer = self._answer(code, late=late)
        answer["peak"] = used.ru_maxrss * 1024
        answer["ms"] = round((time.monotonic() - self.began_s) * 1000)
        answer["log"] = b"" if self.log < 0 else _content(self.log, _LONGEST_LOG)
        for one in (self.watch, self.result, self.log):
            if one >= 0:
                os.close(one)
        return answer

    def _answer(self, code: int, *, late: bool) -> dict[str, Any]:
        if code in (0, 1):
            with suppress(ValueError, msgpack.UnpackException):
                found = msgpack.unpackb(_content(self.result, 1 << 31), strict_map_key=False)
                if isinstance(found, dict) and found.get("ok") is (code == 0):
                    return found
        if late and code == -signal.SIGKILL:
            return {"ok": False, "error": "timeout", "exit": 124}
        return {"ok": False, "error": f"exit status {code if code >= 0 else 128 - code}"}


def _become(result: int, log: int) -> None:
    """From here on the process is the call: nothing of the worker's is open to it."""
    os.setsid()
    libc = ctypes.CDLL(None)
    libc.prctl(_SET_PARENT_DEATH, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_SET_DUMPABLE, 1, 0, 0, 0)
    if log >= 0:
        os.dup2(log, 1)
        os.dup2(log, 2)
    os.closerange(3, result)
    os.closerange(result + 1, 1 << 20)


def _content(descriptor: int, longest: int) -> bytes:
    size = min(os.fstat(descriptor).st_size, longest)
    return os.pread(descriptor, size, 0)


def end_orphans(known: Callable[[int], bool]) -> None:
    """Ends processes that calls detached: our children by adoption, and nobody's call."""
    own = os.getpid()
    with suppress(OSError), open(f"/proc/{own}/task/{own}/children") as file:
        for word in file.read().split():
            if not known(int(word)):
                with suppress(ProcessLookupError):
                    os.kill(int(word), signal.SIGKILL)
    while True:
        try:
            info = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if info is None or known(info.si_pid):
            return
        os.waitpid(info.si_pid, 0)
