"""Run: a user's command on sealed data, in the fence, with all it was and left on record."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from cloister import fence
from cloister.core.encoding import to_text
from cloister.core.events import Event, Transaction
from cloister.core.ids import OperationId, RunId
from cloister.core.values import FenceLevel, FenceReport, HubModel
from cloister.fence import Change, ChangeKind, Changes, FenceSpec, Mount
from cloister.keys.seal import seal_field
from cloister.keys.values import GrantRequest
from cloister.models.hub import Snapshot
from cloister.policy import Action
from cloister.runs import code, command, environment, history, settings
from cloister.runs.code import CodeState
from cloister.runs.environment import Environment
from cloister.runs.history import fence_body
from cloister.workflows import hub
from cloister.workflows._attaching import Attached, Attachment, attach
from cloister.workflows._keeping import FoundModel, Keeper, Kept
from cloister.workflows.lab import Act, Lab
from cloister.workflows.materialise import Written, materialise
from cloister.workflows.release import Ended, attest, registrations
from cloister.workflows.trace import late_erasures

_INLINE = 64 << 20
_CHUNK = 1 << 20
_LONGEST_LOG = 64 << 20
Output = Callable[[int, bytes], None]
"""Called with (1 for stdout or 2 for stderr, bytes) as the job writes."""


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What to run and on what."""

    argv: tuple[str, ...]
    workdir: Path
    environment: Mapping[str, str] = field(repr=False)
    """What the caller's shell has; only listed variables reach the job."""
    data: tuple[str, ...] = ()
    """Dataset references; empty: whatever the arguments name."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Further variables for the job."""
    seed: int = 0
    reads: tuple[Path, ...] = ()
    required: FenceLevel = FenceLevel.FULL
    terminal: bool = False
    """Gives the job a terminal of its own, joined to the one on ``stdin``."""
    stdin: int | None = None
    memory_bytes: int | None = None
    hub: tuple[str, ...] | None = None
    """Pretrained models to give; None: those that the arguments or the code name."""


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


def run(lab: Lab, request: RunRequest, output: Output) -> RunReport:
    """Runs the command; its outputs are sealed and on record when this returns.

    The job sees the data read-only at the path they were added from, works on an overlay of
    the working folder, and reaches nothing else. Killed at any moment, the run stays on
    record as interrupted and no plaintext survives. Raises BadInput, NotFound, and
    FenceUnavailable when the host cannot give ``request.required``.
    """
    act = lab.act(Action.RUN)
    attachment = attach(lab, request.argv, request.workdir, request.data)
    identity = lab.keys.new_owner(RunId)
    with lab.alone(identity):
        job = _prepare(act, identity, request, attachment)
        act.record(job.begun())
        try:
            report = job.execute(output)
        except BaseException:
            close(act, identity)
            raise
        return replace(report, attested=attest(act, identity))


def close(act: Act, run: RunId) -> bool:
    """Puts on record that a run was interrupted and nothing of it kept; False if it ended."""
    body = {"exit_status": None, "fence": None, "run": run, "state": "interrupted"}

    def write(tx: Transaction) -> bool:
        if history.find(tx, run).ended is not None:
            return False
        act.lab.ledger.append(tx, [act.event("run.ended", body)])
        return True

    return act.lab.database.write(write)


def _prepare(act: Act, identity: RunId, request: RunRequest, attachment: Attachment) -> _Job:
    folders = [Path(os.path.realpath(one.path)) for one in attachment.given]
    hidden = (*attachment.withheld.values(), *act.lab.private)
    captured = code.capture(request.workdir, exclude=[*folders, *hidden])
    models = hub.named(act.lab, request.argv, captured.archive, request.hub)
    offline = hub.VARIABLES if models else {}
    seeded = {"PYTHONHASHSEED": str(request.seed), **offline, **request.variables}
    variables = fence.job_environment(request.environment, seeded)
    return _Job(
        act=act,
        run=identity,
        request=request,
        attachment=attachment,
        hidden=hidden,
        variables=variables,
        code=captured,
        models=models,
        environment=environment.capture(request.argv[0], variables["PATH"], request.workdir),
    )


@dataclass(slots=True)
class _Job:
    """One run between its two events."""

    act: Act
    run: RunId
    request: RunRequest
    attachment: Attachment
    hidden: tuple[Path, ...]
    variables: Mapping[str, str]
    code: CodeState
    environment: Environment
    models: tuple[Snapshot, ...]
    written: list[Written] = field(default_factory=list)
    operations: list[OperationId] = field(default_factory=list)
    log: bytearray = field(default_factory=bytearray)

    def execute(self, output: Output) -> RunReport:
        """Runs it, keeps what it leaves, records its end."""
        with self.act.lab.store.writer("derived") as writer:
            keeper = Keeper(self.act, self.run, writer)
            report = fence.run(
                self.spec(),
                on_output=lambda chunk: self.heard(output, 1, chunk),
                on_error=lambda chunk: self.heard(output, 2, chunk),
                capture=lambda changes: self.keep(keeper, changes, output),
            )
            return self.end(keeper, report)

    def begun(self) -> list[Event]:
        """The events that stand before anything happens."""
        lab = self.act.lab
        grant = lab.keys.grants([GrantRequest(self.run)])[0].key
        commitment, plain = command.write(self.request.argv, lab.randomness)
        sealed = seal_field(grant.object_key, command.PURPOSE, plain, self.run.encode())
        body = {
            "code": self.code.digest,
            "command": to_text(sealed),
            "command_commitment": commitment,
            "environment": self.environment.digest,
            "run": self.run,
            "seal": to_text(grant.seal_id),
            "settings": settings.capture(self.variables),
            "versions": [_input(one) for one in self.attachment.given],
            "wrap": to_text(grant.wrap),
        }
        events = [self.act.event("run.begun", body)]
        if self.models:
            events.append(self.act.event("hub.given", hub.given_body(self.run, self.models)))
        return events

    def spec(self) -> FenceSpec:
        """What the fence is asked for."""
        request = self.request
        return FenceSpec(
            argv=request.argv,
            env=self.variables,
            workdir=request.workdir,
            reads=(
                *fence.interpreter_paths(
                    request.argv[0], self.variables["PATH"], request.workdir
                ),
                *request.reads,
            ),
            hidden=self.hidden,
            tty=request.terminal,
            stdin=request.stdin,
            memory_limit_bytes=request.memory_bytes,
            data=(
                *(Mount(one.path, self._filler(one)) for one in self.attachment.given),
                *([hub.mount(self.act.lab, self.models)] if self.models else []),
            ),
            required=request.required,
        )

    def _filler(self, attached: Attached) -> Callable[[int], None]:
        version = attached.view.version

        def fill(folder: int) -> None:
            self.operations.append(
                self.act.begin_read(
                    "run", dataset=version.dataset, number=version.number, run=self.run
                )
            )
            self.written.append(materialise(self.act.lab, attached.view.records, folder))

        return fill

    def heard(self, output: Output, stream: int, chunk: bytes) -> None:
        """Shows what the job says as it says it, and keeps it for the sealed log."""
        output(stream, chunk)
        if len(self.log) < _LONGEST_LOG:
            self.log += chunk

    def keep(self, keeper: Keeper, changes: Changes, output: Output) -> None:
        """Seals what the job added or changed; says what cannot be kept, in the log alone."""
        for change in changes:
            _keep_change(keeper, change)
        for left in changes.left_out:
            said = b"cloister: not kept, %s: %s\n" % (left.why.encode(), os.fsencode(left.path))
            self.heard(output, 2, said)

    def end(self, keeper: Keeper, report: FenceReport) -> RunReport:
        """Seals the rest; records outputs, models and end in one transaction."""
        keeper.keep("log", "log", bytes(self.log))
        keeper.keep("code.tar", "code", self.code.archive)
        keeper.keep("environment.json", "environment", self.environment.description)
        state = "finished" if report.exit_status == 0 else "failed"
        placements = keeper.placements()

        def write(tx: Transaction) -> None:
            self.act.lab.store.place(tx, placements)
            ledger = self.act.lab.ledger
            outputs = ledger.append(tx, keeper.events())
            ledger.append(tx, [*self._ends(report, state)])
            if state == "finished":
                done = history.find(tx, self.run)
                places = {one.event.body["object"]: one.index for one in outputs}
                ended = Ended(done, places, late_erasures(tx, done))
                ledger.append(tx, [*registrations(self.act, ended, keeper.models)])

        self.act.lab.database.write(write)
        return RunReport(
            run=self.run,
            state=state,
            fence=report,
            inputs=tuple(zip(self.attachment.given, self.written, strict=True)),
            withheld=tuple(self.attachment.withheld),
            outputs=tuple(kept for kept in keeper.kept if kept.kind == "output"),
            models=tuple(keeper.models),
            code=self.code,
            hub=tuple(one.model for one in self.models),
            attested=False,
        )

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


def _keep_change(keeper: Keeper, change: Change) -> None:
    """Seals a file; links are not followed, and what was removed leaves nothing to seal."""
    if change.kind is ChangeKind.REMOVED or change.link is not None:
        return
    with change.open() as stream:
        if change.size_bytes > _INLINE:
            chunks = iter(lambda: stream.read(_CHUNK), b"")
            keeper.keep_stream(change.path, chunks, change.size_bytes)
        else:
            content = stream.read()
            keeper.consider_model(keeper.keep(change.path, "output", content), content)
