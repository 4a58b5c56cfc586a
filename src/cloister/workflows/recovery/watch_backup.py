"""Watch: what is acknowledged in the lab is at the backup target within a second."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from cloister.core.clock import timestamp
from cloister.core.errors import (
    CloisterError,
    DurabilityLost,
    KeysUnavailable,
    NoSpace,
    NotAllowed,
    NotFound,
)
from cloister.policy import Action
from cloister.recovery import position, register
from cloister.recovery.beat import EVERY_S, Beat, beat_file, say
from cloister.recovery.register import KnownTarget
from cloister.recovery.shipping import Shipped, Shipper
from cloister.workflows.lab import Act, Lab
from cloister.workflows.recovery.backup import (
    chosen_target,
    files_of,
    open_shipper,
    position_of,
    record_reached,
)

_LOOK_S = 0.2
_RECORD_S = 900.0
_LONGEST_PAUSE_S = 60.0
_NOTHING = Shipped(0, 0, 0, 0, (), None)
_PASSING = (NoSpace, NotAllowed, NotFound, DurabilityLost, KeysUnavailable)
"""A target that is full, away or unplugged, keys that are locked: it may come back."""


Tell = Callable[[Beat], None]
Wait = Callable[[float], bool]
"""Waits for so many seconds; True when it is time to end."""


def watch_backup(lab: Lab, name: str | None, wait: Wait, tell: Tell) -> None:
    """Saves what is new to one target, again and again, until ``wait`` says to end.

    A target that is full, away or slow is told and tried again. Raises what is not mended by
    waiting: Tampered, LedgerForked, IntegrityError; Conflict while another is at work.
    """
    act = lab.act(Action.ADMINISTER)
    known = chosen_target(lab, name)
    with lab.alone(f"backup-{known.target}"):
        watch = _Watch(act, known, tell)
        try:
            watch.run(wait)
        finally:
            beat_file(lab.runtime, known.target).unlink(missing_ok=True)


class _Watch:
    """One watch: how far it came, and what it has not yet put on record."""

    def __init__(self, act: Act, known: KnownTarget, tell: Tell) -> None:
        self._act = act
        self._lab = act.lab
        self._known = known
        self._tell = tell
        self._shipper: Shipper | None = None
        self._unrecorded = _NOTHING
        self._recorded_s = self._lab.clock.monotonic_s()
        self._beaten_s = -EVERY_S
        self._pause_s = 0.0
        self._beat = Beat("", 0, 0, None)

    def run(self, wait: Wait) -> None:
        """Looks, saves, records, until it is time to end."""
        try:
            while True:
                self._round()
                if wait(self._pause_s or _LOOK_S):
                    return
        finally:
            self._record()

    def _round(self) -> None:
        try:
            self._save()
        except _PASSING as error:
            self._shipper = None
            self._pause_s = min(_LONGEST_PAUSE_S, 2 * self._pause_s or 1.0)
            self._say(error.message)
            return
        self._pause_s = 0.0
        now = self._lab.clock.monotonic_s()
        if now - self._recorded_s > _RECORD_S:
            self._record()
        if now - self._beaten_s > EVERY_S or self._beat.trouble:
            self._say(None)

    def _save(self) -> None:
        if self._shipper is None:
            self._shipper = open_shipper(self._lab, self._known)
            self._record()  # what a watch that was killed saved and did not say
        reached = self._shipper.chain.frontier.size
        behind = self._lab.read(lambda tx: register.behind(tx, reached))
        if not behind.entries:
            return
        shipped = self._shipper.ship(files_of(self._lab))
        if shipped.last is None:
            return
        self._unrecorded = shipped
        newest = self._lab.read(
            lambda tx: register.time_of(tx, max(0, self._shipper_size() - 1))
        )
        lag = self._lab.clock.now() - datetime.fromisoformat(newest)
        self._beat = Beat("", int(lag.total_seconds() * 1000), self._shipper_size(), None)
        self._say(None)

    def _shipper_size(self) -> int:
        return 0 if self._shipper is None else self._shipper.chain.frontier.size

    def _say(self, trouble: str | None) -> None:
        moment = timestamp(self._lab.clock.now())
        self._beat = Beat(moment, self._beat.lag_ms, self._beat.size, trouble)
        self._beaten_s = self._lab.clock.monotonic_s()
        say(beat_file(self._lab.runtime, self._known.target), self._beat)
        self._tell(self._beat)

    def _record(self) -> None:
        """Puts on record how far it came, and remembers it for the next start."""
        self._recorded_s = self._lab.clock.monotonic_s()
        if self._shipper is None:
            return
        try:
            position.keep(position_of(self._lab, self._known), self._shipper.chain)
            record_reached(self._act, self._known, self._shipper.chain, self._unrecorded)
        except CloisterError as error:
            self._beat = Beat(
                self._beat.time, self._beat.lag_ms, self._beat.size, error.message
            )
        self._unrecorded = _NOTHING
