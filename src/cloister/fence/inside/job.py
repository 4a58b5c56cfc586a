"""From a copy of the supervisor to the user's command: gives everything up, then executes."""

from __future__ import annotations

import os
import resource
from _collections_abc import Sequence
from errno import EACCES, EBUSY, ENOENT, ENOTDIR, EPERM

from cloister.fence.inside import kernel, landlock
from cloister.fence.inside.plan import Plan
from cloister.fence.inside.wire import Channel

_NOT_FOUND, _NOT_EXECUTABLE = 127, 126  # as a shell says it


def become(plan: Plan, stdio: Sequence[int], supervisor: Channel) -> None:
    """Never returns: the command runs, or its status says why it could not."""
    try:
        _enter(plan, stdio)
        listener = _confine(plan)
    except _WallMissing as missing:
        supervisor.send(b"failed", missing.wall, b"%d" % missing.number)
        os._exit(_NOT_EXECUTABLE)
    held = [listener] if listener >= 0 else []
    supervisor.send(b"ready", descriptors=held)
    kernel.close_from(3)
    os._exit(_execute(plan.one(b"argv"), plan.one(b"env")))


class _WallMissing(Exception):
    def __init__(self, wall: bytes, error: OSError | ValueError) -> None:
        super().__init__(wall)
        self.wall = wall
        self.number = EPERM if isinstance(error, ValueError) else error.errno or 0


def _enter(plan: Plan, stdio: Sequence[int]) -> None:
    kernel.die_with_parent(9)
    kernel.default_signals()
    os.setsid()
    for target, descriptor in enumerate(stdio):
        os.dup2(descriptor, target)
    if plan.has(b"tty"):
        kernel.control_terminal(0)
    os.umask(0o022)
    try:
        os.chdir(plan.one(b"cwd")[0])
        if plan.has(b"cpus"):
            os.sched_setaffinity(0, [int(number) for number in plan.one(b"cpus")])
        _limit(plan)
    except (OSError, ValueError) as error:
        raise _WallMissing(b"start", error) from error


def _limit(plan: Plan) -> None:
    for kind, value in plan.all(b"limit"):
        number, wanted = getattr(resource, kind.decode()), (int(value), int(value))
        if resource.getrlimit(number) != wanted:  # inside another fence it is set for good
            resource.setrlimit(number, wanted)


def _confine(plan: Plan) -> int:
    wall = b"namespaces"
    try:
        if plan.has(b"namespaces") or os.geteuid() == 0:
            kernel.give_up_capabilities()
        wall = b"seccomp"
        kernel.refuse_new_privileges()
        wall = b"landlock"
        if plan.has(b"landlock"):
            landlock.confine(plan.all(b"allow"), network=plan.has(b"namespaces"))
        wall = b"seccomp"
        return _filter(plan.one(b"seccomp")[0]) if plan.has(b"seccomp") else -1
    except OSError as error:
        raise _WallMissing(wall, error) from error


def _filter(program: bytes) -> int:
    try:
        return kernel.seccomp(program, listen=True)
    except OSError as error:
        if error.errno != EBUSY:  # a container's runtime listens already: refused, uncounted
            raise
        return kernel.seccomp(program, listen=False)


def _execute(argv: Sequence[bytes], settings: Sequence[bytes]) -> int:
    environment = dict(setting.split(b"=", 1) for setting in settings)
    number = ENOENT
    for path in _candidates(argv[0], environment.get(b"PATH", b"/usr/bin:/bin")):
        try:
            os.execve(path, list(argv), environment)  # noqa: S606 - the point of it all
        except OSError as error:
            if error.errno not in (ENOENT, ENOTDIR):
                number = error.errno or EACCES
    message = b"cannot run %s: %s\n" % (argv[0], os.strerror(number).encode())
    os.write(2, message)
    return _NOT_FOUND if number == ENOENT else _NOT_EXECUTABLE


def _candidates(name: bytes, path: bytes) -> list[bytes]:
    if b"/" in name:
        return [name]
    return [folder + b"/" + name for folder in path.split(b":") if folder]
