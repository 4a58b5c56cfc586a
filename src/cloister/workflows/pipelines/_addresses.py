"""Where a run of a pipeline makes its calls: the addresses it was given, as workers."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from cloister.core.errors import BadInput
from cloister.core.values import LOCAL
from cloister.pipelines.plan import Plan
from cloister.workflows.far.cluster import SCHEME, Cluster
from cloister.workflows.far.ssh import Address, SshLine
from cloister.workflows.pipelines._asked import FlowRequest, Moment, Script
from cloister.workflows.pipelines._attempts import Where
from cloister.workflows.pipelines._crew import Crew, is_named
from cloister.workflows.pipelines._far import Far, Opening
from cloister.workflows.pipelines._posts import Abroad, Here, Post, There
from cloister.workflows.pipelines._session import Session
from cloister.workflows.pipelines._turn import WorkerTurn


def crew_of(
    request: FlowRequest,
    session: Session,
    turn: WorkerTurn,
    script: Script,
    plan: Plan,
    tell: Callable[[Moment], None],
) -> Crew:
    """Who makes the calls that share a fence; raises BadInput for a place that cannot be."""
    ground, bell = session.ground, session.worker.bell
    opening = Opening(
        ground.code.archive,
        os.fsencode(request.workdir),
        ground.variables,
        request.required,
    )

    def heard(what: str, where: str, run: str | None, detail: str) -> None:
        tell(Moment(what, where, run, detail, 0, len(plan.steps)))

    abroad = Abroad(session.act, ground, opening, script, plan, bell, heard)
    on = dict.fromkeys(request.on or session.act.lab.pipelines.on)
    posts: list[Post] = []
    grounds: list[Nodes] = []
    for one in on:
        if one.startswith(SCHEME):
            cluster = Cluster(one, request.slots, request.environment)
            grounds.append(Nodes(cluster, abroad))
        elif one != LOCAL:
            address = Address.parse(one)
            posts.append(There(one, partial(_over_ssh, address, request.slots, bell), abroad))
    if not on or LOCAL in on:
        environment = ground.environment.digest
        here = Where(session.run, environment, ground.settings, request.required)
        posts.append(Here(session, turn, script, plan, here))
    else:
        turn.give_back()  # no call is made here but in fences of their own
    _check(plan, [*(one.name for one in posts), *(one.cluster.text for one in grounds)])
    return Crew(posts, bell, session.act.lab.clock, grounds)


@dataclass(slots=True)
class Nodes:
    """The workers of a cluster, one on each node that it has by now. See `More`."""

    cluster: Cluster
    abroad: Abroad
    _known: set[str] = field(default_factory=set)

    def open(self) -> None:
        """See `More`."""
        self.cluster.start()

    def joined(self) -> list[There]:
        """See `More`."""
        found = self.cluster.nodes()
        new = sorted(set(found) - self._known)
        self._known |= set(new)
        return [There(self.cluster.text, partial(self._reach, one), self.abroad) for one in new]

    def close(self) -> None:
        """See `More`."""
        self.cluster.close()

    def _reach(self, node: str) -> Far:
        line = self.cluster.line(node)
        slots = self.cluster.slots(node)
        return Far.reach(line, slots, self.abroad.bell)


def _over_ssh(address: Address, slots: int, bell: threading.Event) -> Far:
    return Far.reach(SshLine(address), slots, bell)


def _check(plan: Plan, names: Sequence[str]) -> None:
    """A task runs where whoever starts the pipeline lets it: the file sends data nowhere."""
    for step in plan.steps:
        task = plan.tasks[step.task]
        on = task.settings.on
        if on is None:
            continue
        if not any(is_named(one, on) for one in names):
            raise BadInput(
                f"{task.name} is to run on {on!r}, where this run may not",
                hint="give that machine: cloister pipeline run FILE --on ssh:HOST",
            )
