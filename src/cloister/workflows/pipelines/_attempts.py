"""Attempts on record: their beginnings before they are made, their ends with what they gave."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

from cloister.core.canonical import canonical
from cloister.core.encoding import to_text
from cloister.core.events import Event, Transaction
from cloister.core.ids import FlowId, OperationId, RunId
from cloister.core.values import FenceLevel, FenceReport, KeyGrant
from cloister.identity import subjects
from cloister.keys.seal import seal_field
from cloister.keys.values import GrantRequest
from cloister.pipelines import history as flows
from cloister.pipelines.executor import Ended
from cloister.pipelines.job import Job
from cloister.pipelines.values import truth
from cloister.runs import command, history, tainted
from cloister.runs.history import fence_body
from cloister.runs.identified import Place
from cloister.store import ObjectWriter
from cloister.workflows import _seen
from cloister.workflows._findings import findings
from cloister.workflows._keeping import Keeper
from cloister.workflows.lab import Act
from cloister.workflows.models import release
from cloister.workflows.models.release import attest, flags, registrations
from cloister.workflows.patients.trace import late_erasures
from cloister.workflows.pipelines._keying import Keying
from cloister.workflows.pipelines._values import PATH
from cloister.workflows.runs.closing import close

_FAILED, _TIMEOUT, _KILLED = 1, 124, 137


@dataclass(frozen=True, slots=True)
class Common:
    """What all attempts of one pipeline's run share."""

    act: Act
    flow: FlowId
    code: str
    environment: str
    """Of this machine, whose digest is part of what finds a result again."""
    project: str
    keying: Keying


@dataclass(frozen=True, slots=True)
class Where:
    """What goes on record of the place where a call is made."""

    worker: RunId
    """The run whose fence it is."""
    environment: str
    settings: Mapping[str, str]
    level: FenceLevel


@dataclass(frozen=True, slots=True)
class Wanted:
    """An attempt to begin."""

    job: Job
    tried: int
    name: str
    cache: str
    parts: Mapping[str, Any]
    """What the key was made of."""
    sources: tuple[RunId, ...]
    outlets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Begun:
    """An attempt that is on record and not over."""

    wanted: Wanted
    where: Where
    run: RunId
    locks: ExitStack = field(repr=False)


@dataclass(frozen=True, slots=True)
class Finished:
    """An attempt that is over, before that is on record."""

    begun: Begun
    ended: Ended
    digest: str = ""
    """Of its value, keyed, where it ended well."""


def task_begun(common: Common, wanted: Wanted, grant: KeyGrant) -> Event:
    """The event that makes a run an attempt; what its key was made of is sealed with it."""
    detail = canonical({**wanted.parts, "step": wanted.name})
    sealed = seal_field(grant.object_key, flows.DETAIL, detail, grant.owner.encode())
    body = {
        "cache": wanted.cache,
        "detail": to_text(sealed),
        "flow": common.flow,
        "part": wanted.job.part,
        "run": grant.owner,
        "sources": sorted(set(wanted.sources)),
        "step": wanted.job.step,
        "tried": wanted.tried,
    }
    return common.act.event("task.begun", body)


def kept_as(common: Common, wanted: Wanted, environment: str) -> Wanted:
    """Made by other libraries than its key says it is never used in place of one from here."""
    return wanted if environment == common.environment else replace(wanted, cache="")


def task_ended(common: Common, wanted: Wanted, run: RunId, digest: str, value: bytes) -> Event:
    """The event that says that its value may be taken."""
    body = {
        "outlets": list(wanted.outlets),
        "run": run,
        "truth": int(truth(value)),
        "value": digest,
    }
    return common.act.event("task.ended", body)


def inherited(tx: Transaction, sources: Sequence[RunId]) -> list[dict[str, object]]:
    """Dataset versions that reached a run by the values it takes."""
    found = flows.inherited(tx, sources)
    return [
        {"dataset": dataset, "number": number, "part": part, "root": root}
        for (dataset, number), (root, part) in sorted(found.items())
    ]


def begin(
    common: Common, wanted: Sequence[tuple[Wanted, Where]]
) -> tuple[list[Begun], list[Event]]:
    """Names, keys and locks for attempts; the events must be durable before one is made."""
    lab = common.act.lab
    if not wanted:
        return [], []
    runs = lab.keys.new_owners(RunId, len(wanted))
    grants = [one.key for one in lab.keys.grants([GrantRequest(run) for run in runs])]
    reached = lab.read(lambda tx: [inherited(tx, one.sources) for one, _ in wanted])
    begun, events = [], []
    for (one, where), run, grant, versions in zip(wanted, runs, grants, reached, strict=True):
        locks = ExitStack()
        locks.enter_context(lab.alone(run))  # tells other commands that it is not theirs to end
        begun.append(Begun(one, where, run, locks))
        events += [*_began(common, begun[-1], grant, versions)]
    return begun, events


def _began(
    common: Common, begun: Begun, grant: KeyGrant, versions: list[dict[str, object]]
) -> Iterator[Event]:
    where, run = begun.where, str(begun.run)
    wanted = kept_as(common, begun.wanted, where.environment)
    words = ("cloister", "task", wanted.name)
    commitment, plain = command.write_words(words, common.act.lab.randomness)
    sealed = seal_field(grant.object_key, command.PURPOSE, plain, run.encode())
    body = {
        "code": common.code,
        "command": to_text(sealed),
        "command_commitment": commitment,
        "environment": where.environment,
        "run": run,
        "seal": to_text(grant.seal_id),
        "settings": dict(where.settings),
        "versions": versions,
        "wrap": to_text(grant.wrap),
    }
    yield common.act.event("run.begun", body)
    yield from _seen.placed(common.act, _seen.RUN, run, common.project)
    yield task_begun(common, wanted, grant)


def record(common: Common, finished: Sequence[Finished], further: Sequence[Event]) -> None:
    """Seals what attempts gave; their ends and ``further`` are durable, together, on return."""
    lab = common.act.lab
    with lab.store.writer("derived") as writer:
        keepers = [_keep(common, one, writer) for one in finished]
        placements = writer.flush() if keepers else ()

        def write(tx: Transaction) -> None:
            if placements:
                lab.store.place(tx, placements)
            for one, keeper in zip(finished, keepers, strict=True):
                _end(common, tx, one, keeper)
            if further:
                lab.ledger.append(tx, further)

        lab.database.write(write)
    for one, keeper in zip(finished, keepers, strict=True):
        one.begun.locks.close()
        if one.ended.ok and any(model.spec for model in keeper.models):
            attest(common.act, one.begun.run)


def _keep(common: Common, one: Finished, writer: ObjectWriter) -> Keeper:
    keeper = Keeper(common.act, one.begun.run, writer)
    ended = one.ended
    if ended.ok:
        keeper.keep(PATH, "output", ended.value)
        for name, content in ended.files:
            keeper.consider_model(keeper.keep(name, "output", content), content)
    if ended.log or not ended.ok:
        keeper.keep("log", "log", ended.log)
    return keeper


def _end(common: Common, tx: Transaction, one: Finished, keeper: Keeper) -> None:
    act, run, ended = common.act, one.begun.run, one.ended
    if ended.error == "lost":
        lost = {"exit_status": None, "fence": None, "run": run, "state": "interrupted"}
        act.lab.ledger.append(tx, [act.event("run.ended", lost)])
        return
    outputs = act.lab.ledger.append(tx, keeper.events())
    body = {
        "exit_status": 0 if ended.ok else _status(ended.error),
        "fence": fence_body(_report(one.begun.where, ended)),
        "run": run,
        "state": "finished" if ended.ok else "failed",
    }
    named = act.lab.identifier.in_output(ended.log, frozenset()) if ended.log else ()
    act.lab.ledger.append(
        tx,
        [act.event("run.ended", body), *findings(act, run, {Place.OUTPUT: named})],
    )
    late: Sequence[OperationId] = ()
    if subjects.erased(tx):
        late = late_erasures(tx, history.find(tx, run))
        act.lab.ledger.append(tx, [*flags(act, run, late, tainted.operations(tx, run))])
    if not ended.ok:
        return
    if keeper.models:
        done = history.find(tx, run)
        places = {output.event.body["object"]: output.index for output in outputs}
        ends = release.Ended(done, places, late)
        act.lab.ledger.append(tx, [*registrations(act, ends, keeper.models)])
    wanted = one.begun.wanted
    act.lab.ledger.append(tx, [task_ended(common, wanted, run, one.digest, ended.value)])


def _report(where: Where, ended: Ended) -> FenceReport:
    """What is known of one call: what was refused is counted for the fence as a whole."""
    return FenceReport(
        level=where.level,
        exit_status=0 if ended.ok else _status(ended.error),
        network_attempts=0,
        refused_syscalls={},
        setup_ms=0,
        wall_ms=ended.took_ms,
        peak_memory_bytes=ended.peak_bytes,
        notes=(f"in the fence of {where.worker}, whose end tells what was refused",),
    )


def _status(error: str) -> int:
    word, _, number = error.rpartition(" ")
    if error == "timeout":
        return _TIMEOUT
    if error == "cancelled":
        return _KILLED
    return int(number) if word == "exit status" and number.isdecimal() else _FAILED


def abandon(common: Common, begun: Sequence[Begun]) -> None:
    """Puts on record that attempts were interrupted."""
    for one in begun:
        close(common.act, one.run)
        one.locks.close()
