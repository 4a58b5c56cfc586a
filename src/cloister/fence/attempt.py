"""One try at running a job behind a given set of walls, from set-up to the last report."""

from __future__ import annotations

import errno
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from signal import SIGHUP, SIGKILL, SIGTERM, SIGWINCH
from typing import Self

from cloister.core.errors import BadInput, FenceUnavailable, NotAllowed
from cloister.fence.cache import fill
from cloister.fence.ended import Ended
from cloister.fence.interrupts import ON_RECORD, Interrupts
from cloister.fence.launch import Warden
from cloister.fence.pump import Pump
from cloister.fence.spec import FenceSpec, Watch
from cloister.fence.streams import Streams
from cloister.fence.terminal import RawTerminal, copy_window_size, interrupts_in
from cloister.fence.view import View
from cloister.fence.walls import Wall, WallRefused


@dataclass(slots=True)
class Attempt:
    """Follows the messages of the inside; each handler answers one of them."""

    spec: FenceSpec
    view: View
    streams: Streams
    interrupts: Interrupts
    warden: Warden
    pump: Pump
    began_s: float = field(default_factory=time.monotonic)
    filling_s: float = 0.0
    started_s: float | None = None
    finished_s: float = 0.0
    copied: bool = False
    """The working folder was copied, because the host refuses an overlay."""
    limited: bool = False
    """The overlay cannot mark a folder as made anew."""
    counted: bool = True
    """Refused system calls are seen by us, and so counted."""
    changes: int = -1
    original: int = -1
    """The working folder as it was, where that is not what lies at its path."""
    ended: Ended | None = None
    watch: Watch | None = None
    has_door: bool = False
    slowed: bool = False
    """A control group holds it to the time of its processors."""
    _door: int = -1
    _looked_s: float = 0.0
    _raw: RawTerminal | None = None
    _filled: int = 0
    _terminal: int = -1
    _group: int = 0
    _asked: int = 0
    _deadline_s: float = math.inf

    def follow(self, plan: bytes) -> Ended:
        """Until the job has ended and its output is delivered; raises WallRefused."""
        self.pump.on_readable(self.warden.channel.fileno(), self._heed)
        self.pump.on_readable(self.interrupts.reader, self._pass_signals_on)
        self.warden.begin(plan)
        while self.ended is None:
            self.pump.turn()
            self._look()
            if time.monotonic() > self._deadline_s:
                self._signal(SIGKILL)
        self.pump.forget(self.warden.channel.fileno())
        if self._door >= 0:
            self.pump.forget(self._door)
        self.streams.drain()
        return self.ended

    @property
    def setup_s(self) -> float:
        """What the fence took; the data's own time is not its."""
        return (self.started_s or self.began_s) - self.began_s - self.filling_s

    @property
    def wall_s(self) -> float:
        """What the job took."""
        return self.finished_s - (self.started_s or self.finished_s)

    def works_in(self, folder: str, original: str | None) -> None:
        """Without namespaces: the copy of the working folder that the job changes."""
        self.changes = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        if original is not None:
            self.original = os.open(original, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.copied = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Lets go of what the inside handed over."""
        if self._raw is not None:
            self._raw.restore()
        for descriptor in (self.changes, self.original, self._terminal, self._door):
            if descriptor >= 0:
                os.close(descriptor)

    def _look(self) -> None:
        """Has somebody look at what the job has written so far, now and then."""
        if self.watch is None or self.started_s is None or self.changes < 0:
            return
        if time.monotonic() - self._looked_s >= self.watch.every_s:
            self.watch.look(self.changes)
            self._looked_s = time.monotonic()

    def _heed(self) -> None:
        fields, held = self.warden.channel.receive()
        if not fields:
            self._broken()
            return
        handlers: dict[bytes, Callable[[list[bytes], list[int]], None]] = {
            b"door": self._keep_door,
            b"fill": self._fill,
            b"copied": self._was_copied,
            b"limited": self._was_limited,
            b"changes": self._keep_changes,
            b"terminal": self._join_terminal,
            b"started": self._started,
            b"failed": self._failed,
            b"ended": self._finished,
        }
        handlers[fields[0]](fields[1:], held)

    def _keep_door(self, _: list[bytes], held: list[int]) -> None:
        (self._door,) = held
        self.has_door = True
        self.pump.on_readable(self._door, self._knocked)

    def _knocked(self) -> None:
        """Most jobs never do, and pay nothing for the door."""
        self.pump.forget(self._door)
        listener, self._door = self._door, -1
        if self.spec.door is not None:
            self.spec.door.open(listener)

    def _fill(self, _: list[bytes], held: list[int]) -> None:
        began_s, fills = time.monotonic(), self.view.fills()
        path, write = fills[self._filled]
        if write is self.view.restored:
            self.original = os.dup(held[0])  # what changed is told by it, until the end
        try:
            fill(path, write, held[0])
        finally:
            os.close(held[0])  # or the plaintext would outlive its namespace
        self._filled += 1
        self.filling_s += time.monotonic() - began_s
        if self._filled == len(fills):
            self.warden.channel.send(b"filled")

    def _was_copied(self, _: list[bytes], __: list[int]) -> None:
        self.copied = True

    def _was_limited(self, _: list[bytes], __: list[int]) -> None:
        self.limited = True

    def _keep_changes(self, _: list[bytes], held: list[int]) -> None:
        self.changes = held[0]

    def _join_terminal(self, _: list[bytes], held: list[int]) -> None:
        (self._terminal,) = held
        copy_window_size(self._source(), self._terminal)

    def _started(self, fields: list[bytes], _: list[int]) -> None:
        self.started_s = self._looked_s = time.monotonic()
        self.counted = fields[1] == b"counted"
        self.interrupts.begin()
        self.streams.begin()
        if self._terminal >= 0:
            source = self._source()
            self._group = os.tcgetpgrp(self._terminal)
            self._raw = RawTerminal(source)
            self.streams.join_terminal(self._terminal, source, self._typed)

    def _failed(self, fields: list[bytes], _: list[int]) -> None:
        wall, number, *step = fields
        _check_places(os.fsdecode(b"".join(step)), int(number))
        if wall == b"start":
            reason = self.warden.complaint() or os.strerror(int(number))
            raise FenceUnavailable(f"the job could not be set up: {reason}")
        raise WallRefused(Wall(wall.decode()), int(number), os.fsdecode(b"".join(step)))

    def _finished(self, fields: list[bytes], _: list[int]) -> None:
        self.finished_s = time.monotonic()
        self.ended = Ended.parse(fields)

    def _broken(self) -> None:
        """The inside vanished, and the job with it, if there was one."""
        complaint = self.warden.complaint() or "it was killed"
        if self.started_s is None:
            raise FenceUnavailable(f"the fence broke before the job ran: {complaint}")
        self.finished_s = time.monotonic()
        self.ended = Ended(exit_status=137, complaint=complaint)

    def _source(self) -> int:
        return 0 if self.spec.stdin is None else self.spec.stdin

    def _typed(self, keys: bytes) -> None:
        self._asked += interrupts_in(keys, self._terminal, self._group)
        if self._asked > 1:
            self._signal(SIGKILL)

    def _pass_signals_on(self) -> None:
        for number in self.interrupts.taken():
            if number == SIGWINCH:
                if self._terminal >= 0:
                    copy_window_size(self._source(), self._terminal)
                continue
            if number in (SIGTERM, SIGHUP, ON_RECORD):
                self._deadline_s = min(self._deadline_s, time.monotonic() + self.spec.grace_s)
            if number == ON_RECORD and self._asked:
                continue
            self._asked += 1
            polite = SIGTERM if number in (SIGHUP, ON_RECORD) else number
            self._signal(polite if self._asked == 1 else SIGKILL)

    def _signal(self, number: int) -> None:
        self._deadline_s = math.inf if number == SIGKILL else self._deadline_s
        try:
            self.warden.channel.send(b"signal", b"%d" % number)
        except BrokenPipeError:
            return  # it has ended already; its last message says how


def _check_places(step: str, number: int) -> None:
    """A place that cannot be given is the caller's to change: no reason for a weaker fence."""
    verb, _, path = step.partition(" ")
    if verb == "take" and number == errno.EACCES:
        raise NotAllowed(
            f"a job may not enter {path}: it has its user's rights, not an administrator's",
            hint="run as the owner of the folder",
        )
    if verb == "spot" and number == errno.EROFS:
        raise BadInput(f"data cannot be shown at {path}, inside a folder that is read-only")
