"""The workers of one run of a pipeline: here or on other machines; they come and go."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from operator import itemgetter
from types import TracebackType
from typing import Protocol, Self

from cloister.core.clock import Clock
from cloister.core.errors import BadInput, CloisterError, NotFound
from cloister.core.ids import RunId
from cloister.pipelines.executor import Call, Ended
from cloister.pipelines.plan import Plan, parse
from cloister.pipelines.tasks import LOCAL
from cloister.workflows.far.worker import Spoken
from cloister.workflows.lab import Act
from cloister.workflows.pipelines._attempts import Where
from cloister.workflows.pipelines._far import Far
from cloister.workflows.pipelines._far import Told as FarTold
from cloister.workflows.pipelines._fresh import Told
from cloister.workflows.pipelines._session import Ground, Session
from cloister.workflows.pipelines._turn import WorkerTurn

_PAUSE_S = 2.0
_NOBODY_S = 30.0

Heard = Callable[[str, str, RunId | None, str], None]
"""(what, where, run, detail) of workers that come and go."""


class Post(Protocol):
    """A place where calls are made, while there is a worker."""

    name: str
    load: int
    """Calls that were given to it and have not ended."""

    @property
    def where(self) -> Where | None:
        """What goes on record of a call that is made there; None: nobody is there now."""

    @property
    def worker(self) -> Spoken | None:
        """Who makes calls there now."""

    def is_open(self) -> bool:
        """Whether it may begin a call now."""

    def tend(self) -> None:
        """Does what is due: lets one go that is gone, takes in one that came."""

    def leave(self, error: BaseException | None) -> None:
        """Ends it."""


@dataclass(slots=True)
class Here:
    """The worker in a fence of this machine; one that is gone has another in its place."""

    session: Session
    turn: WorkerTurn
    told: Told
    plan: Plan
    where: Where
    name: str = LOCAL
    load: int = 0
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

    def rest(self) -> None:
        """Gives that part back where no call is made here, or waits to be."""
        if not (self.load or self._awaits_turn):
            self.turn.give_back()
        self._awaits_turn = False

    def tend(self) -> None:
        """See `Post`; raises BadInput where the file changed meanwhile."""
        if self.worker.over:
            self.session.revive(self.told, self.plan)

    def leave(self, error: BaseException | None) -> None:
        """Whoever began the session ends it."""


@dataclass(frozen=True, slots=True)
class Abroad:
    """What all workers on other machines get, and go on record with."""

    act: Act
    ground: Ground
    far: FarTold
    told: Told
    plan: Plan
    bell: threading.Event
    heard: Heard

    def check(self, far: Far) -> None:
        """Has the file read there; raises BadInput for another plan, FenceUnavailable."""
        told = self.told
        if parse(far.plan(told.file, told.name, told.chosen)) != self.plan:
            raise BadInput(f"the file gives another plan at {far.host.where} than here")


@dataclass(slots=True)
class There:
    """A worker on another machine; reached again, later, when it is gone."""

    name: str
    reach: Callable[[], Far]
    abroad: Abroad
    load: int = 0
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
            far.open(abroad.far)
            return far

        self._ends = ExitStack()
        session = self._ends.enter_context(Session.open(abroad.act, start, ground))
        try:
            abroad.check(far)
        except BaseException as error:
            self._close(error)
            raise
        self.worker = far
        level = abroad.far.required
        self.where = Where(session.run, host.environment.digest, settings, level)
        abroad.heard("joined", host.where, session.run, "")

    def _left(self) -> None:
        run = None if self.where is None else self.where.worker
        self._close(None)
        self._due_s = self.abroad.act.lab.clock.monotonic_s() + _PAUSE_S
        self.abroad.heard("away", self.name, run, "its worker is gone")

    def _close(self, error: BaseException | None) -> None:
        """Ends its run on record, as finished or as interrupted."""
        self.worker = self.where = None
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


@dataclass(slots=True)
class Crew:
    """Gives calls to workers, hears what ended, and lets workers come and go.

    An executor of several places, for one thread. The call of a worker that is gone is
    reported as lost, once. Raises NotFound when for half a minute nothing was under way, and
    nobody there for what is to be.
    """

    posts: list[Post]
    bell: threading.Event
    clock: Clock
    more: Sequence[More] = ()
    _at: dict[int, Post] = field(default_factory=dict)
    _lacks: bool = False
    _lacks_since_s: float | None = None

    def __enter__(self) -> Self:
        """Reaches the others, all at once; raises what the first of them came to, but for
        those that are not there while another is."""
        try:
            for one in self.more:
                one.open()
                self.posts.extend(one.joined())
            self._gather([one for one in self.posts if isinstance(one, There)])
        except BaseException as error:
            self._leave(error)
            raise
        return self

    def _gather(self, there: Sequence[There]) -> None:
        for one in there:
            one.begin()
        absent: list[NotFound] = []
        for one in there:
            try:
                one.take()
            except NotFound as error:
                absent.append(error)
                one.abroad.heard("away", one.name, None, error.message)
        if absent and len(absent) == len(self.posts):
            raise absent[0]

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave(error)

    def _leave(self, error: BaseException | None) -> None:
        for one in self.posts:
            one.leave(error)
        for more in self.more:
            more.close()

    @property
    def slots(self) -> int:
        """How many calls are made at a time by those who are there."""
        return sum(one.worker.slots for one in self.posts if one.worker is not None)

    def choose(self, on: str | None) -> Post | None:
        """Where a call is to go, and keeps a place for it; None: nobody is there for it now."""
        there = [
            (one.load / one.worker.slots, one)
            for one in self.posts
            if one.worker is not None and is_named(one.name, on)
        ]
        for _, one in sorted(there, key=itemgetter(0)):
            if one.is_open():
                one.load += 1
                return one
        self._lacks |= not there
        return None

    def rest(self) -> None:
        """Gives back what nobody works with now; to be called once all were given a place."""
        for one in self.posts:
            if isinstance(one, Here):
                one.rest()

    def submit(self, post: Post, call: Call) -> None:
        """Gives the call to the worker there."""
        assert post.worker is not None
        self._at[call.number] = post
        post.worker.submit(call)

    def poll(self, patience_s: float, *, alone: bool) -> list[Ended]:
        """What ended; waits at most so long for the first, or for anybody who comes.

        ``alone``: nothing else of the pipeline is under way.
        """
        self.bell.clear()
        ended = self._heard()
        if not ended and self.bell.wait(patience_s):
            ended = self._heard()
        for one in self.posts:
            one.tend()
        for more in self.more:
            self.posts.extend(more.joined())
        self._check_lack(alone=alone)
        return ended

    def _heard(self) -> list[Ended]:
        found: list[Ended] = []
        for post in self.posts:
            if post.worker is not None:
                found += post.worker.poll(0)
        for one in found:
            self._at.pop(one.number).load -= 1
        return found

    def _check_lack(self, *, alone: bool) -> None:
        now_s = self.clock.monotonic_s()
        lacks, self._lacks = alone and self._lacks and not self._at, False
        if not lacks:
            self._lacks_since_s = None
        elif self._lacks_since_s is None:
            self._lacks_since_s = now_s
        elif now_s - self._lacks_since_s > _NOBODY_S:
            raise NotFound(
                "no worker can be reached any more",
                hint="when one is there again: cloister pipeline resume",
            )


def is_named(name: str, on: str | None) -> bool:
    """Whether a task that says ``on`` may run at ``name``: the whole address, or the host."""
    host = name.partition(":")[2].partition("/")[0].partition(":")[0].rpartition("@")[2]
    return on is None or on in (name, host)
