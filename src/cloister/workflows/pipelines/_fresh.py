"""Tasks with a fence of their own: those that take datasets, or ask for one."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgpack  # type: ignore[import-untyped]

from cloister.core.errors import CloisterError, MachineLost, NotFound
from cloister.core.events import Event
from cloister.core.ids import RunId
from cloister.core.values import KeyGrant
from cloister.fence import Mount
from cloister.pipelines.executor import Call, Ended
from cloister.pipelines.plan import Step
from cloister.pipelines.values import labels_wanted
from cloister.runs.command import Start
from cloister.workflows.data.label_table import LabelTable
from cloister.workflows.far.connection import Host
from cloister.workflows.lab import Lab
from cloister.workflows.leases import Asked, Seat, Wish, asked, sitting
from cloister.workflows.leases.seat import LOOKS_S
from cloister.workflows.models.originals import written
from cloister.workflows.pipelines._asked import Script
from cloister.workflows.pipelines._attempts import (
    Common,
    Wanted,
    inherited,
    kept_as,
    task_begun,
)
from cloister.workflows.pipelines._values import read
from cloister.workflows.runs._attaching import Attachment, attach
from cloister.workflows.runs._job import Output, execute
from cloister.workflows.runs._lent import leased, unheard
from cloister.workflows.runs._part import PartOf
from cloister.workflows.runs._placed import Lease, placed
from cloister.workflows.runs._plan import JobPlan

_PLACE = Path("/cloister/task")


@dataclass(frozen=True, slots=True)
class Given:
    """The data of one step: what its fence shows, and under which paths."""

    attachment: Attachment
    references: Mapping[str, str]
    """Reference as the file says it -> the path where the task sees it."""
    labels: Mapping[str, LabelTable] = field(default_factory=dict)
    """Reference -> the labels that the task is shown beside."""


@dataclass(frozen=True, slots=True)
class FreshCall:
    """One call, the data that it is given, and what it wants of the machine."""

    wanted: Wanted
    call: Call
    given: Given
    wish: Wish
    host: Host | None
    """Of the other machine that it is wanted of."""


@dataclass(slots=True)
class Fresh:
    """Makes calls, each when its turn has come, in a thread that follows its fence."""

    common: Common
    script: Script
    template: JobPlan
    """What is the same for all: code, environment, interpreter, what is hidden."""
    output: Output
    environment: Mapping[str, str] = field(repr=False)
    """With which other machines are reached."""
    active: int = 0
    _looked_s: float = 0.0
    _waiting: dict[int, tuple[FreshCall, Asked, ExitStack]] = field(default_factory=dict)
    _over: queue.Queue[tuple[Wanted, RunId | None, Ended]] = field(default_factory=queue.Queue)

    def submit(self, one: FreshCall) -> bool:
        """Asks for its turn; whether that has come. Its beginning is durable before it runs."""
        self.active += 1
        held = ExitStack()
        try:
            turn = held.enter_context(asked(self.common.act.lab, one.wish))
        except CloisterError as error:
            self._over.put((one.wanted, None, _refused(one, error)))
            return True
        self._waiting[one.call.number] = one, turn, held
        if not turn.waits:
            self._begin(one.call.number)
        return not turn.waits

    def waits(self, number: int) -> bool:
        """Whether the turn of a call has not come yet."""
        return number in self._waiting

    def poll(self, patience_s: float) -> list[tuple[Wanted, RunId | None, Ended]]:
        """What ended; its run's end is on record already."""
        if self._waiting:
            patience_s = min(patience_s, LOOKS_S)
            self._look()
        found: list[tuple[Wanted, RunId | None, Ended]] = []
        while self.active:
            try:
                found.append(self._over.get(timeout=0 if found else patience_s))
            except queue.Empty:
                break
            self.active -= 1
        return found

    def close(self) -> None:
        """Gives up the turns of what has not begun."""
        while self._waiting:
            _, (_, _, held) = self._waiting.popitem()
            held.close()

    def _look(self) -> None:
        now_s = self.common.act.lab.clock.monotonic_s()
        if now_s - self._looked_s < LOOKS_S:
            return
        self._looked_s = now_s
        for number, (_, turn, _) in list(self._waiting.items()):
            if turn.came():
                self._begin(number)

    def _begin(self, number: int) -> None:
        one, turn, held = self._waiting.pop(number)
        arguments = (one, turn, held)
        name = f"task-{number}"
        threading.Thread(target=self._run, args=arguments, name=name, daemon=True).start()

    def _run(self, one: FreshCall, turn: Asked, held: ExitStack) -> None:
        runs: list[RunId] = []
        try:
            with held, sitting(turn.act, turn.run, waited=turn.waits) as seat:
                ended = self._made(one, seat, runs)
        except MachineLost as error:
            ended = Ended(one.call.number, ok=False, error="lost", log=error.message.encode())
        except CloisterError as error:
            ended = _refused(one, error)
        except BaseException:
            self._over.put((one.wanted, None, Ended(one.call.number, ok=False, error="lost")))
            raise
        self._over.put((one.wanted, runs[0] if runs else None, ended))

    def _made(self, one: FreshCall, seat: Seat, runs: list[RunId]) -> Ended:
        common, number = self.common, one.call.number
        with ExitStack() as ends:
            plan = self._placed(self._plan(one), one.wish, seat, ends)
            part = self._part(one, plan.environment.digest, runs.append)
            plan = replace(plan, task=part)
            report = execute(common.act, plan, seat.heard(self.output), seat.run)
        if report.fence.exit_status:
            status = report.fence.exit_status
            error = "timeout" if status == 124 else f"exit status {status}"
            return Ended(number, ok=False, error=error, log=report.log[-4096:])
        value, files = read(common.act.lab, report.run)
        return Ended(number, ok=True, value=value, files=files)

    def _placed(self, plan: JobPlan, wish: Wish, seat: Seat, ends: ExitStack) -> JobPlan:
        """The plan as the machine has it that it is wanted of; raises MachineLost where that
        is not there."""
        if wish.on is None:
            return leased(plan, seat.lease)
        lease = Lease(wish.cpus or 0, wish.gpus, claims=False)
        there = placed(plan, wish.on, self.environment, lease, unheard)
        try:
            return ends.enter_context(there)
        except NotFound as error:
            raise MachineLost(error.message, hint=error.hint) from error

    def _part(self, one: FreshCall, environment: str, note: Callable[[RunId], None]) -> PartOf:
        common, wanted = self.common, kept_as(self.common, one.wanted, environment)

        def begun(grant: KeyGrant) -> Event:
            note(RunId(grant.owner))
            return task_begun(common, wanted, grant)

        reached = common.act.lab.read(lambda tx: inherited(tx, wanted.sources))
        mount = call_mount(self.script, wanted.name, one.call, one.given)
        return PartOf(begun, reached, common.project, mount)

    def _plan(self, one: FreshCall) -> JobPlan:
        template, start = self.template, self.template.start
        python = start.argv[0] if one.host is None else one.host.python
        return JobPlan(
            start=Start(
                argv=argv_of(python),
                workdir=start.workdir,
                variables=start.variables,
                reads=start.reads,
                memory_bytes=one.wish.memory_bytes,
            ),
            attachment=one.given.attachment,
            hidden=(*one.given.attachment.withheld.values(), *self.common.act.lab.private),
            code=template.code,
            environment=template.environment,
            required=template.required,
            reads=template.reads,
        )


def argv_of(python: str) -> tuple[str, ...]:
    """The command that makes one call."""
    return python, "-m", "cloister.pipelines.inside", str(_PLACE)


def given_to(lab: Lab, workdir: Path, step: Step, versions: Mapping[str, str]) -> Given:
    """The data of one step: of its own datasets, and of no other's."""
    exact = {one: versions[one].partition("#")[0].rstrip(":") for one in step.datasets}
    if not exact:
        return Given(Attachment((), attach(lab, ("",), workdir, ()).withheld), {})
    references = list(dict.fromkeys(exact.values()))
    attachment = attach(lab, ("",), workdir, references)
    paths = {
        f"{one.view.version}{':' if one.view.part else ''}{one.view.part}": str(one.path)
        for one in attachment.given
    }
    views = {one.view.version.dataset: one.view for one in attachment.given}
    labels = {
        one: LabelTable(lab, views[exact[one].partition("@")[0]])
        for one in labels_wanted(step.arguments)
    }
    return Given(attachment, {one: paths[name] for one, name in exact.items()}, labels)


def call_mount(script: Script, name: str, call: Call, given: Given) -> Mount:
    """The call as the process in the fence finds it."""
    tables = {one: f"labels/{place}.csv" for place, one in enumerate(given.labels)}
    described: dict[str, Any] = {
        "arguments": call.arguments,
        "chosen": dict(script.chosen),
        "datasets": dict(given.references),
        "file": script.file,
        "folders": [str(step) for step in {**call.values, **call.files}],
        "labels": {one: str(_PLACE / path) for one, path in tables.items()},
        "name": script.name,
        "over": call.over,
        "part": None if call.part is None else list(call.part),
        "step": name,
        "task": call.task,
        "timeout": call.timeout_s,
        "values": dict(call.values),
    }
    files: list[tuple[str, Iterable[bytes]]] = [("call", (msgpack.packb(described),))]
    files += [(path, given.labels[one]) for one, path in tables.items()]
    files += [
        (f"{step}/{os.fspath(one)}", (content,))
        for step, kept in call.files.items()
        for one, content in kept
    ]
    return Mount(_PLACE, written(files))


def _refused(one: FreshCall, error: CloisterError) -> Ended:
    log = error.message.encode()
    return Ended(one.call.number, ok=False, error=type(error).__name__, log=log)
