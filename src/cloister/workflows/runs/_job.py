"""One run between its two events: started in the fence, heard, its outputs sealed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from cloister.core.encoding import to_text
from cloister.core.errors import CloisterError, MachineLost
from cloister.core.events import Event, Transaction
from cloister.core.ids import OperationId, RunId, SubjectId
from cloister.core.values import FenceReport, HubModel
from cloister.core.words import count
from cloister.fence import (
    Captured,
    Change,
    ChangeKind,
    Door,
    FenceSpec,
    File,
    Files,
    Mount,
)
from cloister.identity import projects
from cloister.keys.seal import seal_field
from cloister.keys.values import GrantRequest
from cloister.runs import command, gpus, history, settings, tainted
from cloister.runs.code import CodeState
from cloister.runs.history import fence_body
from cloister.runs.identified import Place
from cloister.runs.meters import Meters, Sampled
from cloister.workflows import _seen
from cloister.workflows._findings import findings
from cloister.workflows._keeping import INLINE, FoundModel, Keeper, Kept
from cloister.workflows.data.materialise import Written, contents
from cloister.workflows.lab import Act
from cloister.workflows.leases import ending as jobs
from cloister.workflows.models import hub
from cloister.workflows.models.release import Ended, attest, flags, registrations
from cloister.workflows.patients.trace import late_erasures
from cloister.workflows.runs._attaching import Attached
from cloister.workflows.runs._checkpointing import watching
from cloister.workflows.runs._doorway import Doorway
from cloister.workflows.runs._plan import JobPlan
from cloister.workflows.runs.closing import close
from cloister.workflows.tracking.ending import endings
from cloister.workflows.tracking.leaving import EXPERIMENT, Left, Watching, leave

_CHUNK = 1 << 20
_LONGEST_LOG = 64 << 20
Output = Callable[[int, bytes], None]
"""Called with (1 for stdout or 2 for stderr, bytes) as the job writes."""


@dataclass(frozen=True, slots=True)
class RunReport:
    """What happened."""

    run: RunId
    state: str
    fence: FenceReport
    inputs: tuple[tuple[Attached, Written], ...]
    withheld: tuple[str, ...]
    """Datasets whose folders were hidden, for the job was not given them."""
    outputs: tuple[Kept, ...]
    models: tuple[FoundModel, ...]
    code: CodeState
    hub: tuple[HubModel, ...]
    """Pretrained models that it found offline."""
    attested: bool
    """Whether a signed statement stands on record."""
    checkpoints: int = 0
    """How many were sealed while it ran."""
    identified: tuple[SubjectId, ...] = ()
    """Patients whose ids stand in what it printed."""
    tracked: str | None = None
    """The tracked run that got the figures in files it left, and those of the machine."""
    where: str | None = None
    """The other machine that it ran on, and by what that was known."""
    log: bytes = field(default=b"", repr=False)


def execute(act: Act, plan: JobPlan, output: Output, seated: RunId | None = None) -> RunReport:
    """Runs the job; its outputs are sealed and on record when this returns.

    Killed at any moment, the run stays on record as interrupted, with the checkpoints it
    had, and no plaintext survives. ``seated`` is a run whose lock the caller holds.
    """
    if seated is not None:
        return _execute(Job(act=act, run=seated, plan=plan), output)
    identity = act.lab.keys.new_owner(RunId)
    with act.lab.alone(identity):
        return _execute(Job(act=act, run=identity, plan=plan), output)


def _execute(job: Job, output: Output) -> RunReport:
    job.act.record([*job.begun()])
    try:
        report = job.execute(output)
    except BaseException as error:
        close(job.act, job.run)
        watch = job.plan.checkpoints
        if isinstance(error, MachineLost) and watch is not None and watch.sealed:
            kept = count(watch.sealed, "checkpoint is kept", "checkpoints are kept")
            error.hint = f"{kept}: `cloister run --resume {job.run}`, here or with --on there"
        raise
    if not job.plan.registers:
        return report
    attested = attest(job.act, job.run)
    return replace(report, attested=attested, tracked=job.leaves(report.state))


@dataclass(slots=True)
class Job:
    """One run between its two events."""

    act: Act
    run: RunId
    plan: JobPlan
    written: list[Written] = field(default_factory=list)
    operations: list[OperationId] = field(default_factory=list)
    log: bytearray = field(default_factory=bytearray)
    left: Left = field(default_factory=Left)

    def execute(self, output: Output) -> RunReport:
        """Runs it, keeps what it leaves, records its end."""
        watch = self.plan.checkpoints
        with self.act.lab.store.writer("derived") as writer:
            keeper = Keeper(self.act, self.run, writer)
            with (
                Watching(self.act.lab, self.meters, self.left),
                Doorway(self.act.lab, self.run) as doorway,
            ):
                report = self.plan.place.run(
                    self.spec(doorway.door),
                    on_output=lambda chunk: self.heard(output, 1, chunk),
                    on_error=lambda chunk: self.heard(output, 2, chunk),
                    capture=lambda changes: self.keep(keeper, changes, output),
                    watch=watching(self.act, self.run, watch) if watch else None,
                )
            return self.end(keeper, report)

    @property
    def meters(self) -> Sampled:
        """What looks at the machine that it runs on."""
        return self.plan.meters or Meters(self.act.lab.folder)

    def leaves(self, state: str) -> str | None:
        """Tracks the figures it left in files; a run is no worse for one that cannot be."""
        try:
            experiment = self.plan.start.variables.get(EXPERIMENT, "0")
            return leave(self.act.lab, self.run, state, self.left, experiment)
        except CloisterError:
            return None

    def begun(self) -> Iterator[Event]:
        """The events that stand before anything happens."""
        lab, start = self.act.lab, self.plan.start
        grant = lab.keys.grants([GrantRequest(self.run)])[0].key
        whole = self.plan.task is None  # what a task was given is not in its command
        commitment, plain = (
            command.write(start, lab.randomness)
            if whole
            else command.write_words(start.argv, lab.randomness)
        )
        sealed = seal_field(grant.object_key, command.PURPOSE, plain, self.run.encode())
        body = {
            "code": self.plan.code.digest,
            "command": to_text(sealed),
            "command_commitment": commitment,
            "environment": self.plan.environment.digest,
            "run": self.run,
            "seal": to_text(grant.seal_id),
            "settings": self.plan.there
            or settings.capture(start.variables, start.argv, self.plan.cpus),
            "versions": self._versions(),
            "wrap": to_text(grant.wrap),
        }
        yield self.act.event("run.begun", body)
        yield from lab.read(self._placed)
        if self.plan.models:
            yield self.act.event("hub.given", hub.given_body(self.run, self.plan.models))
        if self.plan.link is not None:
            link = {"how": self.plan.link.how, "origin": self.plan.link.origin}
            yield self.act.event("run.linked", link | {"run": self.run})
        if self.plan.task is not None and self.plan.task.begun is not None:
            yield self.plan.task.begun(grant)

    def _versions(self) -> list[Mapping[str, object]]:
        """What it is given, and what reached it in values; what came both ways, as a whole."""
        own = [_input(one) for one in self.plan.attachment.given]
        return [*own, *self.plan.task.others(own)] if self.plan.task else [*own]

    def _placed(self, tx: Transaction) -> list[Event]:
        """Puts it where it belongs, unless it was put there when it was asked for."""
        project = self._project(tx)
        if projects.of_object(tx, _seen.RUN, self.run) == project:
            return []
        return [*_seen.placed(self.act, _seen.RUN, self.run, project)]

    def _project(self, tx: Transaction) -> str:
        """Where it belongs: with what it came of, else with its data."""
        if self.plan.task is not None:
            return self.plan.task.project
        if self.plan.link is not None:
            return projects.of_object(tx, _seen.RUN, self.plan.link.origin)
        given = [one.view.version.dataset for one in self.plan.attachment.given]
        return _seen.project_of(self.act.lab, tx, given)

    def spec(self, door: Door | None) -> FenceSpec:
        """What the fence is asked for."""
        plan, start = self.plan, self.plan.start
        return FenceSpec(
            argv=start.argv,
            env=start.variables,
            workdir=start.workdir,
            restored=plan.restored,
            prepared=plan.prepared,
            reads=(*plan.reads, *start.reads),
            hidden=plan.hidden,
            tty=plan.terminal,
            stdin=plan.stdin,
            cpus=plan.cpus,
            devices=gpus.nodes(plan.gpus),
            memory_limit_bytes=start.memory_bytes,
            data=(
                *(
                    Mount(one.path, self._files(place, one))
                    for place, one in enumerate(plan.attachment.given)
                ),
                *([hub.mount(self.act.lab, plan.models)] if plan.models else []),
                *([plan.task.mount] if plan.task else []),
            ),
            required=plan.required,
            door=door,
        )

    def _files(self, place: int, attached: Attached) -> Files:
        """Read once on record, however often the fence is made: each time with fewer walls."""
        version = attached.view.version

        def each() -> Iterator[File]:
            if place == len(self.operations):
                self.operations.append(
                    self.act.begin_read(
                        "run", dataset=version.dataset, number=version.number, run=self.run
                    )
                )
            self.written[place:] = [Written()]
            yield from contents(self.act.lab, attached.view.records, self.written[place])

        return Files(each)

    def heard(self, output: Output, stream: int, chunk: bytes) -> None:
        """Shows what the job says as it says it, and keeps it for the sealed log."""
        output(stream, chunk)
        if len(self.log) < _LONGEST_LOG:
            self.log += chunk

    def keep(self, keeper: Keeper, changes: Captured, output: Output) -> None:
        """Seals what the job added or changed; says what cannot be kept, in the log alone."""
        if self.plan.checkpoints is not None:
            self.plan.checkpoints.release()
        for change in changes:
            _keep_change(keeper, change, self.left)
        for left in changes.left_out:
            said = b"cloister: not kept, %s: %s\n" % (left.why.encode(), os.fsencode(left.path))
            self.heard(output, 2, said)

    def end(self, keeper: Keeper, report: FenceReport) -> RunReport:
        """Seals the rest; records outputs, models and end in one transaction."""
        plan = self.plan
        keeper.keep("log", "log", bytes(self.log))
        keeper.keep("code.tar", "code", plan.code.archive)
        keeper.keep("environment.json", "environment", plan.environment.description)
        state = "finished" if report.exit_status == 0 else "failed"
        placements = keeper.placements()
        named = self._named()

        def write(tx: Transaction) -> None:
            self.act.lab.store.place(tx, placements)
            ledger = self.act.lab.ledger
            outputs = ledger.append(tx, keeper.events())
            ledger.append(tx, [*self._ends(report, state)])
            ledger.append(tx, [*endings(self.act, tx, self.run, state)])
            over = jobs.endings(self.act, tx, self.run, state, report.exit_status)
            ledger.append(tx, [*over])
            ledger.append(tx, [*findings(self.act, self.run, {Place.OUTPUT: named})])
            done = history.find(tx, self.run)
            late = late_erasures(tx, done)
            ledger.append(
                tx, [*flags(self.act, self.run, late, tainted.operations(tx, self.run))]
            )
            if state == "finished" and plan.registers:
                places = {one.event.body["object"]: one.index for one in outputs}
                ended = Ended(done, places, late)
                ledger.append(tx, [*registrations(self.act, ended, keeper.models)])

        self.act.lab.database.write(write)
        return RunReport(
            run=self.run,
            state=state,
            fence=report,
            inputs=tuple(zip(plan.attachment.given, self.written, strict=True)),
            withheld=tuple(plan.attachment.withheld),
            outputs=tuple(kept for kept in keeper.kept if kept.kind == "output"),
            models=tuple(keeper.models),
            code=plan.code,
            hub=tuple(one.model for one in plan.models),
            attested=False,
            checkpoints=plan.checkpoints.sealed if plan.checkpoints else 0,
            identified=named,
            where=(plan.there or {}).get("where"),
            log=bytes(self.log),
        )

    def _named(self) -> tuple[SubjectId, ...]:
        """Whose ids it printed: its log is sealed, and a view of it would show them."""
        given = self.plan.attachment.given
        own = frozenset(one.subject for each in given for one in each.view.records)
        return self.act.lab.identifier.in_output(bytes(self.log), own)

    def _ends(self, report: FenceReport, state: str) -> Iterator[Event]:
        for operation, written in zip(self.operations, self.written, strict=True):
            yield self.act.end_read(operation, written.records, written.size_bytes)
        body = {
            "exit_status": report.exit_status,
            "fence": fence_body(report),
            "run": self.run,
            "state": state,
        }
        yield self.act.event("run.ended", body)


def _input(attached: Attached) -> dict[str, object]:
    version = attached.view.version
    return {
        "dataset": version.dataset,
        "number": version.number,
        "part": attached.view.part,
        "root": version.root,
    }


def _keep_change(keeper: Keeper, change: Change, left: Left) -> None:
    """Seals a file; links are not followed, and what was removed leaves nothing to seal."""
    if change.kind is ChangeKind.REMOVED or change.link is not None:
        return
    with change.open() as stream:
        if change.size_bytes > INLINE:
            chunks = iter(lambda: stream.read(_CHUNK), b"")
            keeper.keep_stream(change.path, chunks, change.size_bytes)
        else:
            content = stream.read()
            left.look(change.path, content)
            keeper.consider_model(keeper.keep(change.path, "output", content), content)
