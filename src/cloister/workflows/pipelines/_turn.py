"""What a pipeline is lent of the machine: its worker while it has calls, each fresh task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from cloister.core.errors import BadInput
from cloister.core.values import LOCAL
from cloister.jobs.turns import free
from cloister.pipelines.plan import Plan, PlannedTask
from cloister.workflows.lab import Lab
from cloister.workflows.leases.ending import end
from cloister.workflows.leases.holding import heeding_stops
from cloister.workflows.leases.seat import LOOKS_S, Asked, asked, wait
from cloister.workflows.leases.wish import Wish, machine


@dataclass(slots=True)
class WorkerTurn:
    """The worker's part of the machine, in turns: each is a job of the queue.

    It is given back while no call is made there. So nothing of a pipeline waits for a turn
    while another part of it idly holds what would be its turn; and no two pipelines can wait
    for each other for ever.
    """

    lab: Lab
    wish: Wish
    _turn: Asked | None = None
    _is_lent: bool = False
    _looked_s: float = 0.0
    _held: ExitStack = field(default_factory=ExitStack)

    def came(self) -> bool:
        """Whether calls may be made there now; asks for a turn where nobody has."""
        if self._is_lent:
            return True
        if self._turn is None:
            self._turn = self._held.enter_context(asked(self.lab, self.wish))
            return self._take() if not self._turn.waits else False
        now_s = self.lab.clock.monotonic_s()
        if now_s - self._looked_s < LOOKS_S:
            return False
        self._looked_s = now_s
        return self._take() if self._turn.came() else False

    def wait(self, said: Callable[[str], None]) -> None:
        """Until they may; ``said`` is told where that is not at once."""
        if not self.came() and self._turn is not None:
            wait(self._turn, said)
            self._take()

    def give_back(self) -> None:
        """No calls are made there for now."""
        if self._turn is not None:
            if self._is_lent:
                end(self._turn.act, self._turn.run, "finished")
            self._turn, self._is_lent = None, False
            self._held.close()

    def _take(self) -> bool:
        assert self._turn is not None
        self._held.enter_context(heeding_stops(self.lab, self._turn.run))
        self._is_lent = True
        return True


def worker_turn(lab: Lab, file: str, slots: int) -> WorkerTurn:
    """Of a share of the machine, or as many processors as calls were asked for at a time."""
    cpus = min(slots, len(machine().cpus)) if slots else None
    return WorkerTurn(lab, Wish(("cloister", "pipeline", file), cpus=cpus, pinned=False))


def task_wish(step: str, task: PlannedTask, on: str | None = None) -> Wish:
    """What a task with a fence of its own wants, of the machine ``on``, or of this one; a share
    where it names no number."""
    wanted = task.settings
    return Wish(
        ("cloister", "task", step),
        cpus=wanted.cpu if wanted.cpu > 1 else None,
        memory_bytes=None if wanted.memory is None else wanted.memory << 20,
        gpus=wanted.gpu,
        on=on,
    )


def check_room(lab: Lab, plan: Plan, on: Sequence[str]) -> None:
    """Raises BadInput, naming the step, for what this machine can never lend where it is the
    only one ``on`` which it may be."""
    box = machine()
    elsewhere = any(one != LOCAL for one in on or lab.pipelines.on)
    for step in plan.steps:
        goes = elsewhere and plan.task_of(step.number).settings.on != LOCAL
        if goes or not plan.fences_own(step.number):
            continue
        wish = task_wish(step.name, plan.task_of(step.number))
        try:
            box.require(wish.ask(lab, box), free(box, []))
        except BadInput as error:
            raise BadInput(f"{step.name}: {error.message}", hint=error.hint) from error
