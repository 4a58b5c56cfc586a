"""Where trials run: this machine and others, each with room for so many at a time.

Another machine is asked before anything is begun there, and again, beside everything else,
after a trial was lost there; one that does not answer is asked again later.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial

from cloister.core.clock import Clock
from cloister.core.errors import BadInput, CloisterError, NotFound
from cloister.core.values import LOCAL
from cloister.jobs.asks import Box
from cloister.workflows.far import places
from cloister.workflows.far.cluster import SCHEME, Cluster
from cloister.workflows.lab import Lab
from cloister.workflows.leases.wish import Wish, machine
from cloister.workflows.sweeps._going import Doing, Heard, nothing

_PAUSE_S = 5.0
_NOBODY_S = 30.0
Room = Callable[[int, int | None], int]
"""Of so many processors and GPUs."""


@dataclass(slots=True)
class Spot:
    """One machine."""

    on: str | None
    """Its address; None: this one."""
    ask: Callable[[], int]
    """How many trials it takes at a time; raises NotFound where nobody answers, and what else
    it is that says it takes none."""
    slots: int = 0
    """0 while nobody is known to be there."""
    refused: CloisterError | None = None
    """Why it is not asked again."""
    asking: bool = False
    due_s: float = 0.0
    away: bool = False
    """Nobody answered when it was asked last."""
    _answers: queue.SimpleQueue[int | CloisterError] = field(default_factory=queue.SimpleQueue)

    def begin(self) -> None:
        """Asks, beside everything else; nothing is begun there until it answered."""
        if not self.asking:
            self.asking, self.slots = True, 0
            threading.Thread(target=self._ask, name="ask-place", daemon=True).start()

    def hear(self, *, wait: bool = False) -> CloisterError | None:
        """Takes in what it answered, if it did; why it is not there."""
        try:
            answer = self._answers.get(block=wait)
        except queue.Empty:
            return None
        self.asking = False
        if not isinstance(answer, CloisterError):
            self.slots, self.away = answer, False
            return None
        if not isinstance(answer, NotFound):  # who is not there may be later
            self.refused = answer
        return answer

    def _ask(self) -> None:
        answer: int | CloisterError = NotFound(f"{self.on} could not be asked")
        try:
            answer = self.ask()
        except CloisterError as error:
            answer = error
        except OSError as error:  # no ssh here, or no process to be had
            answer = NotFound(f"{self.on} could not be asked: {error.strerror}")
        finally:  # who waits for it waits for ever otherwise
            self._answers.put(answer)


@dataclass(slots=True)
class Spots:
    """All of them; used by one thread."""

    spots: Sequence[Spot]
    clock: Clock
    heard: Heard = nothing
    _nobody_since_s: float | None = None

    @classmethod
    def of(cls, lab: Lab, on: Sequence[str], wish: Wish, doing: Doing) -> Spots:
        """For trials that want so much of a machine; raises BadInput for what is no address."""
        if not on:
            return cls([Spot(None, lambda: 1, slots=1)], lab.clock)
        box, found = machine(), []
        for one in dict.fromkeys(on):
            room = partial(_room, wish, lab.queue.cpus, one)
            if one == LOCAL:
                here = room(len(box.cpus), len(box.gpus))
                found.append(Spot(None, lambda: 1, slots=here))
            else:
                found.append(Spot(one, partial(_asked(one, doing.environment), room)))
        return cls(found, lab.clock, doing.away)

    def gather(self) -> None:
        """Asks all at once; raises NotFound where nobody answers, and what one refuses for."""
        others = [one for one in self.spots if one.on is not None]
        for one in others:
            one.begin()
        missing = [error for one in others if (error := one.hear(wait=True)) is not None]
        for error in missing:
            if not isinstance(error, NotFound) or len(missing) == len(self.spots):
                raise error
        for one in others:
            one.away = not one.slots
        for error in missing:
            self.heard(error)

    def choose(self, loads: Mapping[str | None, int]) -> Spot | None:
        """The one with the most room for its size; None where there is none just now.

        Where there is but this machine, its queue says how much room there is.
        """
        if [one.on for one in self.spots] == [None]:
            return self.spots[0]
        free = [one for one in self.spots if loads.get(one.on, 0) < one.slots]
        return min(free, key=lambda one: loads.get(one.on, 0) / one.slots, default=None)

    def tend(self) -> None:
        """Takes in what came; asks those again that were away for a while."""
        now_s = self.clock.monotonic_s()
        for one in self.spots:
            error = one.hear()
            if error is not None:
                one.due_s = now_s + _PAUSE_S
                if not one.away:
                    self.heard(error)
                one.away = True
            if not (one.slots or one.asking or one.refused) and now_s >= one.due_s:
                one.begin()
        if any(one.slots for one in self.spots):
            self._nobody_since_s = None
        elif self._nobody_since_s is None:
            self._nobody_since_s = now_s

    def doubt(self, on: str | None) -> None:
        """Something went wrong there: it is asked before more is begun there."""
        for one in self.spots:
            if one.on == on and one.slots:
                one.begin()

    def is_there(self, on: str | None) -> bool | None:
        """None while it is asked."""
        found = [one for one in self.spots if one.on == on]
        if any(one.asking for one in found):
            return None
        return any(one.slots for one in found)

    @property
    def nobody(self) -> bool:
        """Whether there was none for half a minute."""
        since_s = self._nobody_since_s
        return since_s is not None and (
            self.clock.monotonic_s() - since_s > _NOBODY_S
            or all(one.refused for one in self.spots)
        )


def _room(wish: Wish, share: int | None, on: str, cpus: int, gpus: int | None) -> int:
    """How many trials at a time; ``gpus`` is None where nobody knows. Raises BadInput."""
    asked = wish.cpus or Box(tuple(range(cpus)), 0).share(share).cpus
    rows = [(cpus, asked, "processors")]
    if gpus is not None and wish.gpus:
        rows.append((gpus, wish.gpus, "GPUs"))
    for there, wanted, what in rows:
        if wanted > there:
            raise BadInput(f"{on} has {there} {what} to lend, and a trial asks for {wanted}")
    return min(there // wanted for there, wanted, _ in rows)


def _asked(text: str, around: Mapping[str, str]) -> Callable[[Room], int]:
    """What asks a machine how much room it has; raises BadInput."""
    places.check(text)
    if text.startswith(SCHEME):
        return partial(_of_cluster, Cluster(text, 0, around))
    return partial(_of_host, text)


def _of_host(text: str, room: Room) -> int:
    with places.reach(text, {}) as there:
        return room(there.host.slots, there.host.gpus)


def _of_cluster(cluster: Cluster, room: Room) -> int:
    with closing(cluster):
        cluster.start()
        return room(sum(cluster.nodes().values()), None)
