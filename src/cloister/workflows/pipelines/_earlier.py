"""What was given before: by this run until it was interrupted, by others to an asset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from cloister.core.events import Event, Transaction
from cloister.core.ids import FlowId
from cloister.identity import projects
from cloister.pipelines import history as flows
from cloister.pipelines.history import Attempt
from cloister.pipelines.job import Job
from cloister.pipelines.plan import Plan
from cloister.pipelines.values import truth
from cloister.workflows import _seen
from cloister.workflows.pipelines import _attempts
from cloister.workflows.pipelines._attempts import Common, Wanted
from cloister.workflows.pipelines._results import Result, Results, is_tainted


class Never(NamedTuple):
    """A call that is not to be made."""

    run: str | None
    why: str


@dataclass(slots=True)
class Earlier:
    """Looks what became of calls before."""

    common: Common
    plan: Plan
    results: Results
    prior: Mapping[Job, Attempt]
    """Of a run that goes on: the last attempt of each call."""
    taken: Mapping[Job, Attempt]
    """Of a run that goes on: calls that used an earlier result again."""
    unrecorded: list[Event] = field(default_factory=list)

    def fate(self, job: Job) -> Result | Never | Attempt | None:
        """What it gave, an attempt to use again, or None: it is to be made."""
        used, last = self.taken.get(job), self.prior.get(job)
        if last is None:  # else what was used again could not be read, and was made again
            if used is not None and used.value is not None:
                return Result(used.run, used.value, bool(used.truth))
            asset = self.plan.task_of(job.step).takes
            return None if asset is None else self._outlet(asset)
        if last.state == "finished":
            return self._recovered(job, last)
        idempotent = self.plan.task_of(job.step).settings.idempotent
        if last.state in {"interrupted", "stopped"} and not idempotent:
            why = "it began and nobody saw it end; it is not idempotent, so it is not repeated"
            return Never(last.run, why)
        return None

    def _outlet(self, asset: str) -> Attempt | Never:
        """What made an asset new last; values do not leave their project."""
        lab, project = self.common.act.lab, self.common.project

        def query(tx: Transaction) -> Attempt | Never:
            run = flows.maker(tx, asset)
            found = None if run is None else flows.attempt_of(tx, run)
            if found is None or projects.of_object(tx, _seen.RUN, found.run) != project:
                return Never(None, f"nothing has made {asset} yet")
            if is_tainted(tx, found.run):
                return Never(found.run, f"what made {asset} had data that were erased since")
            return found

        return lab.read(query)

    def _recovered(self, job: Job, last: Attempt) -> Result:
        """Of a run that ended well; where its value is not on record yet, it is put there."""
        if last.value is None:
            value, files = self.results.values.get(last.run)
            digest = self.common.keying.of_value(value, files)
            name = self.plan.steps[job.step].name
            outlets = self.plan.task_of(job.step).settings.outlets
            wanted = Wanted(job, last.tried, name, last.cache, {}, (), outlets)
            self.unrecorded.append(
                _attempts.task_ended(self.common, wanted, last.run, digest, value)
            )
            return Result(last.run, digest, truth(value))
        return Result(last.run, last.value, bool(last.truth))


def seen_to(
    tx: Transaction, flow: FlowId
) -> tuple[Mapping[Job, Attempt], Mapping[Job, Attempt]]:
    """The last attempt of each call, and calls that used an earlier result again."""
    prior = {one.job: one for one in flows.attempts(tx, flow)}
    return prior, flows.taken(tx, flow)
