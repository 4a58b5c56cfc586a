"""Export: what a run left, converted to ONNX in the fence, compared, on record, attested."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cloister import fence
from cloister.core.canonical import canonical
from cloister.core.encoding import to_text
from cloister.core.errors import BadInput, CloisterError
from cloister.core.events import Event, Transaction
from cloister.core.ids import OperationId, RunId
from cloister.core.values import FenceLevel, FenceReport
from cloister.export import RESULTS, Limits, Outcome, judge, program
from cloister.fence import Changes, FenceSpec, Mount
from cloister.identity import projects
from cloister.keys.seal import open_field, seal_field
from cloister.keys.values import GrantRequest
from cloister.models.hub import Snapshot
from cloister.policy import Action
from cloister.proof._origin import parity_body
from cloister.runs import code, command, environment, history, settings
from cloister.runs.code import CodeState
from cloister.runs.environment import Environment
from cloister.runs.history import Run, RunInput, RunOutput, fence_body
from cloister.runs.live import Kind, LiveWriter
from cloister.workflows import _seen
from cloister.workflows._keeping import Keeper
from cloister.workflows.data.materialise import materialise
from cloister.workflows.lab import Act, Lab
from cloister.workflows.leases import Seat, Wish, take_seat
from cloister.workflows.leases import ending as jobs
from cloister.workflows.models import hub
from cloister.workflows.models.originals import Left, left_by, written
from cloister.workflows.models.release import Ended, attest, registrations
from cloister.workflows.patients.trace import late_erasures
from cloister.workflows.runs._attaching import Attachment, attach
from cloister.workflows.runs._lent import unheard
from cloister.workflows.runs.closing import close
from cloister.workflows.unseal import open_keys

_PLACE = Path("/cloister/export")
"""Where the job finds converter, original and rows; no such path exists on the host."""
_LONGEST_LOG = 16 << 20
_LARGEST_RESULT = 2 << 30


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What to convert, and how it is to be judged."""

    run: str
    workdir: Path
    environment: Mapping[str, str] = field(repr=False)
    file: str | None = None
    """The output to convert; None where only one may be a model."""
    rows: str | None = None
    """Held-out rows: an output of the run, else a path in the data it was given."""
    module: Path | None = None
    """The file, in the working folder, that defines ``maker``."""
    maker: str = ""
    inputs: tuple[str, ...] = ()
    python: str | None = None
    """The interpreter; None for the one the run used."""
    limits: Limits = field(default_factory=Limits)
    required: FenceLevel = FenceLevel.FULL
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class ExportReport:
    """A conversion that was accepted."""

    run: RunId
    origin: RunId
    file: str = field(repr=False)
    sha256: str
    outcome: Outcome
    fence: FenceReport
    same_environment: bool
    """Whether it was made in the very environment of the original."""


def export(
    lab: Lab, request: ExportRequest, said: Callable[[str], None] = unheard
) -> ExportReport:
    """Converts what a run left; the model is on record, attested, when this returns.

    It begins when its turn has come; ``said`` is told where that is not at once. The
    conversion is a run of its own, on the data that trained the original, which is read in the
    fence alone, by an interpreter with the run's packages. Nothing is registered unless
    original and converted agree on the rows: raises PredictionsDiffer with the difference,
    BadInput with the converter's reason, NotFound, Erased, FenceUnavailable.
    """
    act = lab.act(Action.RUN)
    lab.act(Action.READ)
    origin, inputs, outputs = lab.read(lambda tx: _origin(lab, tx, request.run))
    wish = Wish(("cloister", "export", origin.run), memory_bytes=request.memory_bytes)
    with take_seat(lab, wish, said) as seat:
        operation = act.begin_read("export", run=origin.run)
        job = _prepare(seat, request, origin, inputs, left_by(lab, outputs))
        job.models = lab.read(lambda tx: hub.given_again(tx, origin.run))
        job.variables |= hub.VARIABLES if job.models else {}
        act.record(job.begun())
        try:
            report = job.execute(operation)
        except BaseException:
            close(act, job.run)
            raise
        attest(act, job.run)
        return report


def _origin(
    lab: Lab, tx: Transaction, name: str
) -> tuple[Run, list[RunInput], list[RunOutput]]:
    run = _seen.run(lab, tx, name, Action.READ)
    if run.state != "finished":
        raise BadInput(
            f"{run.run} is {run.state}: only what a run left that ended well is converted",
            hint="see `cloister ls --runs`",
        )
    return run, history.inputs(tx, run.run), history.outputs(tx, run.run)


def _prepare(
    seat: Seat, request: ExportRequest, origin: Run, inputs: list[RunInput], left: Left
) -> _Conversion:
    act, lab = seat.act, seat.act.lab
    path, original = left.choose(request.file)
    kept_rows = request.rows in left.by_path
    references = [f"{i.dataset}@{i.number}{':' if i.part else ''}{i.part}" for i in inputs]
    from_data = request.rows is not None and not kept_rows
    attachment = attach(lab, ("",), request.workdir, references if from_data else ())
    python = request.python or _interpreter(lab, origin)
    variables = fence.job_environment(request.environment, {"PYTHONHASHSEED": "0"})
    hidden = (*attachment.withheld.values(), *lab.private)
    folders = [one.path.resolve() for one in attachment.given]
    return _Conversion(
        act=act,
        run=seat.run,
        live=seat.live,
        request=request,
        origin=origin,
        inputs=inputs,
        left=left,
        path=path,
        original=original,
        attachment=attachment,
        hidden=hidden,
        argv=_command(request, python, kept=kept_rows),
        variables=variables,
        code=code.capture(request.workdir, exclude=[*folders, *hidden]),
        environment=environment.capture(python, variables["PATH"], request.workdir),
    )


def _interpreter(lab: Lab, origin: Run) -> str:
    """The program the run was started with, where it is a Python; else the one on PATH."""
    keys = open_keys(lab, [origin.key])
    if origin.seal in keys:
        plain = open_field(
            keys[origin.seal], command.PURPOSE, origin.command, origin.run.encode()
        )
        name = command.read(plain)[0]
        if Path(name).name.startswith("python"):
            return name
    return "python3"


def _command(request: ExportRequest, python: str, *, kept: bool) -> tuple[str, ...]:
    words = [python, str(_PLACE / "code"), str(_PLACE / "job")]
    if request.rows is not None and not kept:
        words.append(f"--rows={request.rows}")
    if request.module is not None:
        words.append(f"--module={request.module}")
    return tuple(words)


@dataclass(slots=True)
class _Conversion:
    """One conversion between its two events."""

    act: Act
    run: RunId
    live: LiveWriter
    request: ExportRequest
    origin: Run
    inputs: list[RunInput]
    left: Left
    path: str
    original: RunOutput
    attachment: Attachment
    hidden: tuple[Path, ...]
    argv: tuple[str, ...]
    variables: dict[str, str]
    code: CodeState
    environment: Environment
    models: tuple[Snapshot, ...] = ()
    """Pretrained models that the original was made with: its module may ask for them."""
    reads: list[Event] = field(default_factory=list)
    """What says that the data were read, once they were."""
    log: bytearray = field(default_factory=bytearray)
    results: dict[str, bytes] = field(default_factory=dict)

    def begun(self) -> list[Event]:
        """The events that stand before anything happens."""
        lab = self.act.lab
        grant = lab.keys.grants([GrantRequest(self.run)])[0].key
        commitment, plain = command.write_words(self.argv, lab.randomness)
        sealed = seal_field(grant.object_key, command.PURPOSE, plain, self.run.encode())
        body = {
            "code": self.code.digest,
            "command": to_text(sealed),
            "command_commitment": commitment,
            "environment": self.environment.digest,
            "run": self.run,
            "seal": to_text(grant.seal_id),
            "settings": settings.capture(self.variables),
            "versions": [_inherited(one) for one in self.inputs],
            "wrap": to_text(grant.wrap),
        }
        project = lab.read(lambda tx: projects.of_object(tx, _seen.RUN, self.origin.run))
        placed = _seen.placed(self.act, _seen.RUN, self.run, project)
        events = [self.act.event("run.begun", body), *placed]
        if self.models:
            events.append(self.act.event("hub.given", hub.given_body(self.run, self.models)))
        return events

    def execute(self, operation: OperationId) -> ExportReport:
        """Converts, judges, records; raises what ``export`` says."""
        with self.act.lab.store.writer("derived") as writer:
            keeper = Keeper(self.act, self.run, writer)
            report = fence.run(self._spec(), on_output=self._heard, capture=self._take)
            self.reads.append(self.act.end_read(operation, 1, self.original.size_bytes))
            model = self.results.get("model.onnx")
            refused: CloisterError | None = None
            outcome: Outcome | None = None
            try:
                outcome = judge(self.results.get("report.json"), model, self.request.limits)
                self._keep_model(keeper, model or b"")
            except CloisterError as error:
                outcome, refused = None, error
            self._end(keeper, report, outcome)
        if refused is not None or outcome is None:
            raise self._explained(refused)
        return ExportReport(
            run=self.run,
            origin=self.origin.run,
            file=self.path,
            sha256=keeper.models[0].kept.sha256,
            outcome=outcome,
            fence=report,
            same_environment=self.environment.digest == self.origin.environment,
        )

    def _explained(self, refused: CloisterError | None) -> CloisterError:
        assert refused is not None
        log = f"cloister get {self.run} log"
        refused.hint = f"{refused.hint}; {log}" if refused.hint else log
        return refused

    def _spec(self) -> FenceSpec:
        request, path = self.request, self.variables["PATH"]
        data = [Mount(one.path, self._filler(n)) for n, one in enumerate(self.attachment.given)]
        return FenceSpec(
            argv=self.argv,
            env=self.variables,
            workdir=request.workdir,
            reads=fence.interpreter_paths(self.argv[0], path, request.workdir),
            hidden=self.hidden,
            memory_limit_bytes=request.memory_bytes,
            data=(
                *data,
                Mount(_PLACE, written(self._files())),
                *([hub.mount(self.act.lab, self.models)] if self.models else []),
            ),
            required=request.required,
        )

    def _files(self) -> Iterator[tuple[str, Iterable[bytes]]]:
        """The converter, and the job: the original with its neighbours, its rows."""
        for name, content in program():
            yield f"code/{name}", (content,)
        for name, output in self.left.beside(self.path).items():
            yield f"job/original/{name}", self.left.chunks(output)
        rows, kept = self.request.rows, None
        if rows is not None and rows in self.left.by_path:
            kept = f"rows/{Path(rows).name}"
            yield f"job/{kept}", self.left.chunks(self.left.by_path[rows])
        told = {
            "inputs": list(self.request.inputs),
            "maker": self.request.maker,
            "original": f"original/{Path(self.path).name}",
            "rows_kept": kept,
        }
        yield "job/job.json", (canonical(told),)

    def _filler(self, number: int) -> Callable[[int], None]:
        attached = self.attachment.given[number]
        version = attached.view.version

        def fill(folder: int) -> None:
            operation = self.act.begin_read(
                "run", dataset=version.dataset, number=version.number, run=self.run
            )
            done = materialise(self.act.lab, attached.view.records, folder)
            self.reads.append(self.act.end_read(operation, done.records, done.size_bytes))

        return fill

    def _heard(self, chunk: bytes) -> None:
        self.live.add(Kind.OUT, chunk)
        if len(self.log) < _LONGEST_LOG:
            self.log += chunk

    def _take(self, changes: Changes) -> None:
        """The two files that count; whatever else the user's code wrote is nobody's output."""
        for change in changes:
            folder, _, name = change.path.rpartition("/")
            wanted = folder == RESULTS and name in {"model.onnx", "report.json"}
            if wanted and change.link is None and change.size_bytes < _LARGEST_RESULT:
                with change.open() as stream:
                    self.results[name] = stream.read()

    def _keep_model(self, keeper: Keeper, model: bytes) -> None:
        """Seals the model; raises BadInput for one that could not be served."""
        kept = keeper.keep("model.onnx", "output", model)
        keeper.consider_model(kept, model)
        refusal = keeper.models[0].refusal
        if refusal is not None:
            keeper.models.clear()
            raise BadInput(refusal)

    def _end(self, keeper: Keeper, report: FenceReport, outcome: Outcome | None) -> None:
        """Seals the rest; records outputs, model, comparison and end in one transaction."""
        if "report.json" in self.results:
            keeper.keep("report.json", "output", self.results["report.json"])
        keeper.keep("log", "log", bytes(self.log))
        keeper.keep("code.tar", "code", self.code.archive)
        keeper.keep("environment.json", "environment", self.environment.description)
        placements = keeper.placements()
        state = "failed" if outcome is None else "finished"
        body = {
            "exit_status": report.exit_status,
            "fence": fence_body(report),
            "run": self.run,
            "state": state,
        }

        def write(tx: Transaction) -> None:
            lab = self.act.lab
            lab.store.place(tx, placements)
            outputs = lab.ledger.append(tx, keeper.events())
            lab.ledger.append(tx, [*self.reads, self.act.event("run.ended", body)])
            over = jobs.endings(self.act, tx, self.run, state, report.exit_status)
            lab.ledger.append(tx, [*over])
            if outcome is None:
                return
            lab.ledger.append(tx, [self._exported(outcome)])
            done = history.find(tx, self.run)
            places = {one.event.body["object"]: one.index for one in outputs}
            ended = Ended(done, places, late_erasures(tx, done))
            lab.ledger.append(tx, [*registrations(self.act, ended, keeper.models)])

        self.act.lab.database.write(write)

    def _exported(self, outcome: Outcome) -> Event:
        body = {
            "commitment": self.original.commitment,
            "converter": outcome.converter,
            "origin": self.origin.run,
            "parity": parity_body(outcome.parity),
            "run": self.run,
            "source": self.original.place,
        }
        return self.act.event("model.exported", body)


def _inherited(given: RunInput) -> dict[str, object]:
    """What trained the original trained what came of it."""
    return {
        "dataset": given.dataset,
        "number": given.number,
        "part": given.part,
        "root": given.root,
    }
