"""What somebody wants of the machine, and for which command."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from cloister.core.canonical import canonical
from cloister.core.encoding import to_text
from cloister.core.errors import NotAllowed
from cloister.core.events import Event
from cloister.core.ids import RunId
from cloister.core.values import KeyGrant
from cloister.jobs.asks import Ask, Box, Priority
from cloister.jobs.machine import this_machine
from cloister.keys.seal import seal_field
from cloister.keys.values import GrantRequest
from cloister.policy import Action
from cloister.runs.gpus import Gpus
from cloister.workflows.lab import Act, Lab

PURPOSE = "job"
"""The purpose under which a request is sealed, with the run's key."""
_PROCESS_BYTES = 128 << 20


@dataclass(frozen=True, slots=True)
class Wish:
    """One run, before it is anywhere."""

    argv: tuple[str, ...] = field(repr=False)
    cpus: int | None = None
    memory_bytes: int | None = None
    gpus: int = 0
    priority: Priority = Priority.NORMAL
    pinned: bool = True
    """Whether it is held to the processors that it names."""
    on: str | None = None
    """The other machine that it is wanted of."""

    def ask(self, lab: Lab, box: Box) -> Ask:
        """What it asks of this machine; what it does not name is a share of it.

        A run elsewhere asks for what the process takes that is its end here.
        """
        if self.on is not None:
            return Ask(cpus=0, memory_bytes=_PROCESS_BYTES)
        share = box.share(lab.queue.cpus, lab.queue.memory_bytes)
        return Ask(
            cpus=share.cpus if self.cpus is None else self.cpus,
            memory_bytes=self.memory_bytes or share.memory_bytes,
            gpus=self.gpus,
            pinned=self.pinned and self.cpus is not None,
        )


@dataclass(frozen=True, slots=True)
class FreshRun:
    """A run that nobody asked for yet, and the key that seals what will be asked."""

    run: RunId
    key: KeyGrant


def machine() -> Box:
    """This machine, with its GPUs as the driver numbers them."""
    return this_machine(tuple(number for number, _ in Gpus.find().handles))


def fresh_runs(lab: Lab, count: int) -> list[FreshRun]:
    """As many runs that nobody asked for yet; at most 1,024."""
    runs = lab.keys.new_owners(RunId, count)
    grants = lab.keys.grants([GrantRequest(run) for run in runs])
    return [FreshRun(run, grant.key) for run, grant in zip(runs, grants, strict=True)]


def submitted(
    act: Act, fresh: FreshRun, wish: Wish, ask: Ask, how: str, request: bytes | None = None
) -> Event:
    """The event of somebody asking for a run; ``request`` is all it takes to begin it.

    Raises NotAllowed for a priority that is not everybody's.
    """
    lab, key = act.lab, fresh.key
    if wish.priority is Priority.HIGH and not lab.may(Action.ADMINISTER):
        raise NotAllowed(
            f"role {lab.actor.role} may not ask for priority high",
            hint="leave it at normal: who has had less of the machine goes first",
        )
    words = [to_text(os.fsencode(word)) for word in wish.argv]
    on = {} if wish.on is None else {"on": to_text(os.fsencode(wish.on))}
    plain = canonical({"argv": words, **on}) if request is None else request
    sealed = seal_field(key.object_key, PURPOSE, plain, fresh.run.encode())
    body = {
        "cpus": ask.cpus,
        "gpus": ask.gpus,
        "how": how,
        "memory": ask.memory_bytes,
        "pinned": int(ask.pinned),
        "priority": wish.priority.value,
        "request": to_text(sealed),
        "run": fresh.run,
        "seal": to_text(key.seal_id),
        "wrap": to_text(key.wrap),
    }
    return act.event("job.submitted", body)
