"""Tasks with a fence of their own: those that take datasets, or ask for one."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgpack  # type: ignore[import-untyped]

from cloister.core.errors import CloisterError
from cloister.core.events import Event
from cloister.core.ids import RunId
from cloister.core.values import KeyGrant
from cloister.fence import Mount
from cloister.pipelines.executor import Call, Ended
from cloister.runs.command import Start
from cloister.workflows.lab import Act
from cloister.workflows.models.originals import written
from cloister.workflows.pipelines._attempts import Common, Wanted, inherited, task_begun
from cloister.workflows.pipelines._values import read
from cloister.workflows.runs._attaching import Attachment
from cloister.workflows.runs._job import JobPlan, Output, execute
from cloister.workflows.runs._part import PartOf

_PLACE = Path("/cloister/task")


@dataclass(frozen=True, slots=True)
class Told:
    """What a worker has to know to read the same plan, and to make one call of it."""

    file: str
    name: str
    chosen: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class FreshCall:
    """One call and the data that it is given."""

    wanted: Wanted
    call: Call
    attachment: Attachment
    references: Mapping[str, str]
    """Reference as the file says it -> the path where the task sees it."""
    memory_bytes: int | None


@dataclass(slots=True)
class Fresh:
    """Makes calls, each in a thread that follows its fence, each a run like any other."""

    common: Common
    told: Told
    template: JobPlan
    """What is the same for all: code, environment, interpreter, what is hidden."""
    output: Output
    active: int = 0
    _over: queue.Queue[tuple[Wanted, RunId | None, Ended]] = field(default_factory=queue.Queue)

    def submit(self, one: FreshCall) -> None:
        """Begins it; what is on record of its beginning is durable before the task runs."""
        self.active += 1
        name = f"task-{one.call.number}"
        threading.Thread(target=self._run, args=(one,), name=name, daemon=True).start()

    def poll(self, patience_s: float) -> list[tuple[Wanted, RunId | None, Ended]]:
        """What ended; its run's end is on record already."""
        found: list[tuple[Wanted, RunId | None, Ended]] = []
        while self.active:
            try:
                found.append(self._over.get(timeout=0 if found else patience_s))
            except queue.Empty:
                break
            self.active -= 1
        return found

    def _run(self, one: FreshCall) -> None:
        runs: list[RunId] = []
        try:
            ended = self._made(one, runs)
        except CloisterError as error:
            number = one.call.number
            ended = Ended(
                number, ok=False, error=type(error).__name__, log=error.message.encode()
            )
        except BaseException:
            self._over.put((one.wanted, None, Ended(one.call.number, ok=False, error="lost")))
            raise
        self._over.put((one.wanted, runs[0] if runs else None, ended))

    def _made(self, one: FreshCall, runs: list[RunId]) -> Ended:
        common, number = self.common, one.call.number
        report = execute(common.act, self._plan(common.act, one, runs.append), self.output)
        if report.fence.exit_status:
            status = report.fence.exit_status
            error = "timeout" if status == 124 else f"exit status {status}"
            return Ended(number, ok=False, error=error, log=report.log[-4096:])
        value, files = read(common.act.lab, report.run)
        return Ended(number, ok=True, value=value, files=files)

    def _plan(self, act: Act, one: FreshCall, note: Callable[[RunId], None]) -> JobPlan:
        common, start = self.common, self.template.start

        def begun(grant: KeyGrant) -> Event:
            note(RunId(grant.owner))
            return task_begun(common, one.wanted, grant)

        reached = act.lab.read(lambda tx: inherited(tx, one.wanted.sources))
        argv = (start.argv[0], "-m", "cloister.pipelines.inside", str(_PLACE))
        template = self.template
        return JobPlan(
            start=Start(
                argv=argv,
                workdir=start.workdir,
                variables=start.variables,
                reads=start.reads,
                memory_bytes=one.memory_bytes,
            ),
            attachment=one.attachment,
            hidden=(*one.attachment.withheld.values(), *act.lab.private),
            code=template.code,
            environment=template.environment,
            required=template.required,
            reads=template.reads,
            task=PartOf(begun, reached, common.project, self._mount(one)),
        )

    def _mount(self, one: FreshCall) -> Mount:
        call = one.call
        told: dict[str, Any] = {
            "arguments": call.arguments,
            "chosen": dict(self.told.chosen),
            "datasets": dict(one.references),
            "file": self.told.file,
            "folders": [str(step) for step in {**call.values, **call.files}],
            "name": self.told.name,
            "over": call.over,
            "part": None if call.part is None else list(call.part),
            "step": one.wanted.name,
            "task": call.task,
            "timeout": call.timeout_s,
            "values": dict(call.values),
        }
        files = [("call", (msgpack.packb(told),))]
        files += [
            (f"{step}/{os.fspath(name)}", (content,))
            for step, kept in call.files.items()
            for name, content in kept
        ]
        return Mount(_PLACE, written(files))
