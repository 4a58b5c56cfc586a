"""The process the runner starts: enters new namespaces and hands over to their PID 1."""

from __future__ import annotations

import os
import sys
from _socket import AF_UNIX, SOCK_SEQPACKET, socket

from cloister.fence.inside import kernel
from cloister.fence.inside.descendants import wipe
from cloister.fence.inside.network import door, raise_loopback
from cloister.fence.inside.plan import Plan
from cloister.fence.inside.root import NewRoot, StepFailed
from cloister.fence.inside.supervisor import Supervisor
from cloister.fence.inside.wire import Channel

_KILL = 9
_NAMESPACES = (
    (kernel.CLONE_NEWUSER | kernel.CLONE_NEWNS | kernel.CLONE_NEWPID | kernel.CLONE_NEWNET)
    | (kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS | kernel.CLONE_NEWCGROUP)
)  # fmt: skip


def main() -> None:
    """``python -I -S -c ... FOLDER CHANNEL IN OUT ERR``; ends with the job."""
    channel_end, *stdio = [int(argument) for argument in sys.argv[2:]]
    channel = Channel(socket(AF_UNIX, SOCK_SEQPACKET, 0, channel_end))
    kernel.die_with_parent(_KILL)
    _go_first()
    _, held = channel.receive()  # the plan, from a parent that is alive and knows our id
    if not held:
        return
    with open(held[0], "rb") as file:
        plan = Plan(file.read())
    try:
        if plan.has(b"namespaces"):
            _fenced(plan, channel, stdio)
        else:
            _walled(plan, channel, stdio)
    except BrokenPipeError:
        pass  # the runner is gone, and so are we
    os._exit(0)  # nothing is left that an orderly end of the interpreter would save


def _go_first() -> None:
    """Out of memory, the kernel spares the key service and takes the job."""
    try:  # noqa: SIM105 - contextlib costs start-up time
        _write(b"/proc/self/oom_score_adj", b"500")
    except PermissionError:
        pass  # inside another fence


def _fenced(plan: Plan, channel: Channel, stdio: list[int]) -> None:
    try:
        _enter_namespaces(plan)
        kernel.hide_memory()
        first = os.fork()
    except OSError as error:
        channel.send(b"failed", b"namespaces", b"%d" % (error.errno or 0), b"unshare")
        return
    if first == 0:
        kernel.die_with_parent(_KILL)
        _first_process(plan, channel, stdio)
        os._exit(0)
    channel.close()
    for descriptor in stdio:
        os.close(descriptor)
    os.waitpid(first, 0)


def _walled(plan: Plan, channel: Channel, stdio: list[int]) -> None:
    """Without namespaces: outlives the runner just long enough to leave nothing behind."""
    kernel.die_with_parent(0)  # the closed channel tells, and there is work to do then
    kernel.adopt_orphans()
    kernel.hide_memory()
    if plan.has(b"tty"):
        stdio = _terminal(channel, stdio)
    folders = [path for (path,) in plan.all(b"wipe")]
    Supervisor(plan, channel, None, lambda: wipe(folders)).watch(stdio)


def _enter_namespaces(plan: Plan) -> None:
    user, group = os.geteuid(), os.getegid()
    kernel.unshare(_NAMESPACES)
    inside_user, inside_group = plan.one(b"ids")
    _write(b"/proc/self/setgroups", b"deny")
    _write(b"/proc/self/uid_map", b"%s %d 1" % (inside_user, user))
    _write(b"/proc/self/gid_map", b"%s %d 1" % (inside_group, group))


def _write(path: bytes, text: bytes) -> None:
    with open(path, "wb", buffering=0) as file:
        file.write(text)


def _first_process(plan: Plan, channel: Channel, stdio: list[int]) -> None:
    """PID 1: builds the new root, then supervises."""
    root = NewRoot(channel)
    try:
        raise_loopback()
        _hand_door(plan, channel)
        root.build(plan.all(b"step"))
    except StepFailed as failure:
        number = b"%d" % (failure.error.errno or 0)
        channel.send(b"failed", b"namespaces", number, failure.step)
        return
    except OSError as error:
        channel.send(b"failed", b"namespaces", b"%d" % (error.errno or 0), b"loopback")
        return
    if plan.has(b"tty"):
        stdio = _terminal(channel, stdio)
    Supervisor(plan, channel, root.scratch, lambda: None).watch(stdio)


def _hand_door(plan: Plan, channel: Channel) -> None:
    """The runner answers at it; the job never holds it."""
    for (port,) in plan.all(b"door"):
        listener = door(int(port))
        channel.send(b"door", descriptors=[listener.fileno()])
        listener.close()


def _terminal(channel: Channel, stdio: list[int]) -> list[int]:
    """A terminal of the new root's own; its other side goes to the runner."""
    ours, theirs = os.openpty()
    channel.send(b"terminal", descriptors=[ours])
    os.close(ours)
    for descriptor in stdio:
        os.close(descriptor)
    return [theirs, theirs, theirs]
