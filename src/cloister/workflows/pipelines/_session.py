"""The worker's own run: the file is read in it, and the fence is its fence."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self

from cloister.core.encoding import to_text
from cloister.core.errors import BadInput
from cloister.core.events import Event, Transaction
from cloister.core.ids import RunId
from cloister.keys.seal import seal_field
from cloister.keys.values import GrantRequest
from cloister.pipelines.plan import Plan, parse
from cloister.runs import command, settings
from cloister.runs.code import CodeState
from cloister.runs.environment import Environment
from cloister.runs.history import fence_body
from cloister.workflows import _seen
from cloister.workflows._keeping import Keeper, Kept
from cloister.workflows.far.worker import Spoken
from cloister.workflows.lab import Act
from cloister.workflows.pipelines._asked import Script
from cloister.workflows.runs.closing import close

_WORDS = ("cloister", "pipeline", "worker")


@dataclass(frozen=True, slots=True)
class Ground:
    """What a worker starts from, as it is on record."""

    code: CodeState
    environment: Environment
    variables: Mapping[str, str]
    """Of the environment in which calls are made."""
    project: str
    there: Mapping[str, str] | None = None
    """Settings of another machine, and where it is; None: it is this one."""

    @property
    def settings(self) -> Mapping[str, str]:
        """What else changes the bits of a result."""
        return settings.capture(self.variables) if self.there is None else self.there


@dataclass(slots=True)
class Session:
    """A worker while it serves; what is left of it is on record when the block ends."""

    act: Act
    run: RunId
    start: Callable[[], Spoken]
    worker: Spoken
    ground: Ground
    starts: int = 1
    _unrecorded: list[tuple[Keeper, Sequence[object]]] = field(default_factory=list)
    _kept: list[tuple[str, bytes]] = field(default_factory=list)

    @classmethod
    @contextmanager
    def open(
        cls,
        act: Act,
        start: Callable[[], Spoken],
        ground: Ground,
    ) -> Iterator[Self]:
        """Puts the run on record, then starts the worker; ends both."""
        lab = act.lab
        run = lab.keys.new_owner(RunId)
        with lab.alone(run):
            act.record([*_begun(act, run, ground)])
            session = cls(act, run, start, start(), ground)
            try:
                yield session
            except BaseException:
                session.worker.close()
                close(act, run)
                raise
            session.worker.close()
            session.end()

    def keep(self, path: str, content: bytes) -> Kept:
        """Seals something that the worker gave; on record with the next ``record``."""
        with self.act.lab.store.writer("derived") as writer:
            keeper = Keeper(self.act, self.run, writer)
            kept = keeper.keep(path, path, content)
            self._unrecorded.append((keeper, keeper.placements()))
        return kept

    def record(self, events: Sequence[Event]) -> None:
        """Puts on record what was kept, and ``events``, together."""
        waiting, self._unrecorded = self._unrecorded, []
        lab = self.act.lab

        def write(tx: Transaction) -> None:
            for keeper, placements in waiting:
                lab.store.place(tx, placements)  # type: ignore[arg-type]
                lab.ledger.append(tx, keeper.events())
            lab.ledger.append(tx, events)

        lab.database.write(write)

    def revive(self, script: Script, plan: Plan) -> Spoken:
        """Another worker that has read the same plan; raises BadInput for another one."""
        self.worker.close()
        self.starts += 1
        self.worker = self.start()
        if parse(self.worker.plan(script.file, script.name, script.chosen)) != plan:
            raise BadInput("the pipeline's file changed while it ran", hint="run it again")
        return self.worker

    def end(self) -> None:
        """Seals what the worker said, and ends its run."""
        report = self.worker.report
        self.keep("log", bytes(self.worker.log))
        self.keep("code", self.ground.code.archive)
        self.keep("environment", self.ground.environment.description)
        body = {
            "exit_status": None if report is None else report.exit_status,
            "fence": None if report is None else fence_body(report),
            "run": self.run,
            "state": "interrupted" if report is None else "finished",
        }
        self.record([self.act.event("run.ended", body)])


def _begun(act: Act, run: RunId, ground: Ground) -> Iterator[Event]:
    grant = act.lab.keys.grants([GrantRequest(run)])[0].key
    commitment, plain = command.write_words(_WORDS, act.lab.randomness)
    sealed = seal_field(grant.object_key, command.PURPOSE, plain, run.encode())
    body = {
        "code": ground.code.digest,
        "command": to_text(sealed),
        "command_commitment": commitment,
        "environment": ground.environment.digest,
        "run": run,
        "seal": to_text(grant.seal_id),
        "settings": dict(ground.settings),
        "versions": [],
        "wrap": to_text(grant.wrap),
    }
    yield act.event("run.begun", body)
    yield from _seen.placed(act, _seen.RUN, run, ground.project)
