"""Watches over one job until nothing of it is left: PID 1 of its namespace, or a subreaper."""

from __future__ import annotations

import os
import resource
import select
from _collections_abc import Callable, Sequence
from _socket import AF_UNIX, SOCK_SEQPACKET, socketpair

from cloister.fence.inside import counters, job
from cloister.fence.inside.descendants import end_descendants
from cloister.fence.inside.plan import Plan
from cloister.fence.inside.refusals import Refusals
from cloister.fence.inside.wire import Channel

_KILL = 9
_TICK_MS = 500  # reaps strangers and looks at the scratch space


class Supervisor:
    """Starts the job, answers for it, ends it; tells the runner by messages only."""

    def __init__(
        self,
        plan: Plan,
        channel: Channel,
        scratch: int | None,
        clean: Callable[[], None],
    ) -> None:
        self._clean = clean
        self._plan = plan
        self._channel = channel
        self._scratch = scratch
        self._alone = plan.has(b"namespaces")
        number, *families = [int(field) for field in plan.one(b"socket")] or [-1]
        self._refusals = Refusals(number, frozenset(families))
        self._fullest = 0
        self._leader = 0
        self._status: int | None = None

    def watch(self, stdio: Sequence[int]) -> None:
        """The whole life of the job; returns once the runner has seen the report."""
        before = counters.attempts_to_leave() if self._alone else 0
        listener = self._start(stdio)
        if listener is None:
            return
        self._serve(listener)
        self._end_everything()
        after = counters.attempts_to_leave() if self._alone else 0
        self._report(after - before)
        self._channel.receive()  # until the runner has captured what changed and lets go
        self._clean()

    def _start(self, stdio: Sequence[int]) -> int | None:
        ours, theirs = (Channel(end) for end in socketpair(AF_UNIX, SOCK_SEQPACKET))
        self._leader = os.fork()
        if self._leader == 0:
            job.become(self._plan, stdio, theirs)
        theirs.close()
        for descriptor in set(stdio):
            os.close(descriptor)
        fields, held = ours.receive()
        ours.close()
        if fields != [b"ready"]:
            self._channel.send(*(fields or [b"failed", b"start", b"0"]))
            return None
        self._channel.send(b"started", b"%d" % self._leader, b"counted" if held else b"")
        return held[0] if held else -1

    def _serve(self, listener: int) -> None:
        leader = os.pidfd_open(self._leader)
        poll = select.poll()
        poll.register(leader, select.POLLIN)
        poll.register(self._channel.fileno(), select.POLLIN)
        if listener >= 0:
            poll.register(listener, select.POLLIN)
        while self._status is None:
            for descriptor, events in poll.poll(_TICK_MS):
                if descriptor == listener:
                    if events & select.POLLIN:
                        self._refusals.answer(listener)
                    else:
                        poll.unregister(listener)
                elif descriptor == self._channel.fileno():
                    self._obey()
            self._look()
        os.close(leader)

    def _look(self) -> None:
        self._reap(os.WNOHANG)
        if self._scratch is not None:
            room = os.fstatvfs(self._scratch)
            self._fullest = max(self._fullest, (room.f_blocks - room.f_bfree) * room.f_frsize)

    def _obey(self) -> None:
        """A signal to pass on; without a runner there is no reason to live."""
        fields, _ = self._channel.receive()
        if not fields:
            self._end_everything()
            self._clean()
            os._exit(1)
        if fields[0] == b"signal":
            _signal_group(self._leader, int(fields[1]))

    def _reap(self, how: int) -> bool:
        """Collects the dead; False when no child is left."""
        try:
            while True:
                pid, status = os.waitpid(-1, how)
                if pid == 0:
                    return True
                if pid == self._leader:
                    self._status = status
        except ChildProcessError:
            return False

    def _end_everything(self) -> None:
        """SIGKILL to all that the job started, however it hid, until none is left."""
        if os.getpid() == 1:  # of our own namespace, and never asked of the host
            try:  # noqa: SIM105
                os.kill(-1, _KILL)  # everything in this PID namespace but PID 1
            except ProcessLookupError:
                pass
            self._reap(0)
            return
        end_descendants(lambda: self._reap(os.WNOHANG))

    def _report(self, attempts: int) -> None:
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        size = 0
        if self._scratch is not None:
            room = os.fstatvfs(self._scratch)
            size = room.f_blocks * room.f_frsize
        status = self._status if self._status is not None else _KILL
        numbers = (status, attempts, peak * 1024, self._fullest, size)
        self._channel.send(b"ended", *(b"%d" % n for n in numbers), *self._refusals.fields())


def _signal_group(leader: int, number: int) -> None:
    try:  # noqa: SIM105 - contextlib costs start-up time
        os.killpg(leader, number)
    except ProcessLookupError:
        pass
