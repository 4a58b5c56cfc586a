"""Places where calls of a pipeline are made: here or on other machines, while one is there."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Protocol

from cloister.core.errors import BadInput, CloisterError, NotFound
from cloister.core.ids import RunId
from cloister.core.values import LOCAL
from cloister.pipelines.plan import Plan, parse
from cloister.workflows.far.connection import Host
from cloister.workflows.far.worker import Spoken
from cloister.workflows.lab import Act
from cloister.workflows.leases.wish import machine
from cloister.workflows.pipelines._asked import Script
from cloister.workflows.pipelines._attempts import Where
from cloister.workflows.pipelines._far import Far, Opening
from cloister.workflows.pipelines._session import Ground, Session
from cloister.workflows.pipelines._turn import WorkerTurn

_PAUSE_S = 2.0

Heard = Callable[[str, str, RunId | None, str], None]
"""(what, where, run, detail) of workers that come and go."""


class Post(Protocol):
    """A place where calls are made, while there is a worker."""

    name: str
    load: int
    """Calls that were given to its worker and have not ended."""
    apart: int
    """Those that have a fence of their own there, or wait for one."""
    host: Host | None
    """What its machine said of itself; None: it is this one, or nobody is there."""

    @property
    def where(self) -> Where | None:
        """What goes on record of a call that is made there; None: nobody is there now."""

    @property
    def worker(self) -> Spoken | None:
        """Who makes calls there now."""

    def is_open(self) -> bool:
        """Whether it may begin a call now."""

    def lends(self, gpus: int) -> bool:
        """Whether it has so many GPUs."""

    def tend(self) -> None:
        """Does what is due: lets one go that is gone, takes in one that came."""

    def leave(self, error: BaseException | None) -> None:
        """Ends it."""


@dataclass(slots=True)
class Here:
    """The worker in a fence of this machine; one that is gone has another in its place."""

    session: Session
    turn: WorkerTurn
    script: Script
    plan: Plan
    where: Where
    name: str = LOCAL
    load: int = 0
    apart: int = 0
    host: Host | None = None
    _awaits_turn: bool = False

    @property
    def worker(self) -> Spoken:
        """See `Post`."""
        return self.session.worker

    def is_open(self) -> bool:
        """See `Post`: once this machine lends the worker its part."""
        came = self.turn.came()
        self._awaits_turn |= not came
        return came

    def lends(self, gpus: int) -> bool:
        """See `Post`."""
        return gpus <= len(machine().gpus)

    def rest(self) -> None:
        """Gives that part back where no call is made here, or waits to be."""
        if not (self.load or self._awaits_turn):
            self.turn.give_back()
        self._awaits_turn = False

    def tend(self) -> None:
        """See `Post`; raises BadInput where the file changed meanwhile."""
        if self.worker.over:
            self.session.revive(self.script, self.plan)

    def leave(self, error: BaseException | None) -> None:
        """Whoever began the session ends it."""


@dataclass(frozen=True, slots=True)
class Abroad:
    """What all workers on other machines get, and go on record with."""

    act: Act
    ground: Ground
    opening: Opening
    script: Script
    plan: Plan
    bell: threading.Event
    heard: Heard

    def check(self, far: Far) -> None:
        """Has the file read there; raises BadInput for another plan, FenceUnavailable."""
        script = self.script
        if parse(far.plan(script.file, script.name, script.chosen)) != self.plan:
            raise BadInput(f"the file gives another plan at {far.host.where} than here")


@dataclass(slots=True)
class There:
    """A worker on another machine; reached again, later, when it is gone."""

    name: str
    reach: Callable[[], Far]
    abroad: Abroad
    load: int = 0
    apart: int = 0
    host: Host | None = None
    worker: Spoken | None = None
    where: Where | None = None
    _ends: ExitStack = field(default_factory=ExitStack)
    _came: queue.Queue[Far | CloisterError] = field(default_factory=queue.Queue)
    _reaching: bool = False
    _due_s: float = 0.0
    _refused: bool = False

    def begin(self) -> None:
        """Sets out to reach it, beside everything else."""
        self._reaching = True
        threading.Thread(target=self._reach, name=f"reach-{self.name}", daemon=True).start()

    def is_open(self) -> bool:
        """See `Post`."""
        return self.worker is not None

    def lends(self, gpus: int) -> bool:
        """See `Post`: as it said itself."""
        return self.host is not None and gpus <= self.host.gpus

    def tend(self) -> None:
        """See `Post`."""
        if self.worker is not None and self.worker.over:
            self._left()
        if not self._came.empty():
            try:
                self.take()
            except CloisterError as error:
                self.abroad.heard("away", self.name, None, error.message)
        due = self.abroad.act.lab.clock.monotonic_s() >= self._due_s
        if self.worker is None and due and not (self._reaching or self._refused):
            self.begin()

    def take(self) -> None:
        """Takes in who came, waiting for it; raises what it came to."""
        came = self._came.get()
        self._reaching = False
        self._due_s = self.abroad.act.lab.clock.monotonic_s() + _PAUSE_S
        try:
            if isinstance(came, CloisterError):
                raise came
            self._take_in(came)
        except CloisterError as error:
            # Who is not there may be later; who is not who it was is not asked again.
            self._refused = not isinstance(error, NotFound)
            raise

    def leave(self, error: BaseException | None) -> None:
        """See `Post`."""
        if self.worker is not None:
            self._close(error)
        while not self._came.empty():
            came = self._came.get()
            if isinstance(came, Far):
                came.close()

    def _reach(self) -> None:
        try:
            self._came.put(self.reach())
        except CloisterError as error:
            self._came.put(error)
        self.abroad.bell.set()

    def _take_in(self, far: Far) -> None:
        abroad, host = self.abroad, far.host
        settings = host.settings_for(abroad.ground.settings)
        ground = Ground(abroad.ground.code, host.environment, settings, abroad.ground.project)

        def start() -> Far:
            far.open(abroad.opening)
            return far

        self._ends = ExitStack()
        session = self._ends.enter_context(Session.open(abroad.act, start, ground))
        try:
            abroad.check(far)
        except BaseException as error:
            self._close(error)
            raise
        self.worker, self.host = far, host
        level = abroad.opening.required
        self.where = Where(session.run, host.environment.digest, settings, level)
        abroad.heard("joined", host.where, session.run, "")

    def _left(self) -> None:
        run = None if self.where is None else self.where.worker
        self._close(None)
        self._due_s = self.abroad.act.lab.clock.monotonic_s() + _PAUSE_S
        self.abroad.heard("away", self.name, run, "its worker is gone")

    def _close(self, error: BaseException | None) -> None:
        """Ends its run on record, as finished or as interrupted."""
        self.worker = self.where = self.host = None
        if error is None:
            self._ends.close()
            return
        try:
            self._ends.__exit__(type(error), error, error.__traceback__)
        except BaseException as raised:
            if raised is not error:
                raise


class More(Protocol):
    """A place whose posts are known once it was asked, and become more."""

    def open(self) -> None:
        """Asks; raises NotFound where nobody answers."""

    def joined(self) -> Sequence[There]:
        """Posts that there are since the last time."""

    def close(self) -> None:
        """Ends it, and who is still there."""
