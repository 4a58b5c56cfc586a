"""One replay of a recorded run: each thing that changes bytes as recorded, or as chosen."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cloister import fence
from cloister.core.canonical import canonical
from cloister.core.errors import BadInput
from cloister.core.ids import RunId
from cloister.core.values import FenceLevel
from cloister.runs import code, conditions, environment, restoring, settings, workers
from cloister.runs.code import CodeState
from cloister.runs.command import Start
from cloister.runs.conditions import PRESENT, RECORDED, Choices, Factor, Host
from cloister.runs.environment import Environment
from cloister.runs.links import How, Link
from cloister.runs.locked import LockedEnvironments
from cloister.workflows.lab import Lab
from cloister.workflows.models import hub
from cloister.workflows.runs._attaching import Attachment, attach_again
from cloister.workflows.runs._plan import JobPlan
from cloister.workflows.runs._recorded import Left, RecordedRun

_SHELL = ("PATH", "VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH")


@dataclass(frozen=True, slots=True)
class Setup:
    """A replay that is ready to run, and what it is in effect."""

    plan: JobPlan
    effective: Mapping[Factor, str] = field(repr=False)
    """What two replays are compared by, and people are shown."""


@dataclass(frozen=True, slots=True)
class Replays:
    """Makes replays of one run."""

    lab: Lab
    was: RecordedRun
    host: Host
    locked: LockedEnvironments
    required: FenceLevel
    reads: tuple[Path, ...] = ()

    def recorded(self) -> Mapping[Factor, str]:
        """What the run was in effect."""
        was, kept = self.was, self.was.settings
        cpus = tuple(range(int(kept.get("cpu_count", "1"))))
        return {
            Factor.CODE: was.run.code,
            Factor.DATA: _data((one.dataset, one.number, one.part) for one in was.inputs),
            Factor.LIBRARIES: libraries(was.described),
            **_numeric(was.start.argv, was.start.variables, cpus, kept.get("isa", "")),
        }

    def setup(self, choices: Choices) -> Setup:
        """The replay under ``choices``; raises BadInput for a choice that means nothing,
        NotFound for what is there no more."""
        attachment = attach_again(
            self.lab, self.was.run, self.was.start, self._data(choices), self.was.inputs
        )
        start, cpus = self._numeric(choices)
        start = self._interpreter(start, choices.get(Factor.LIBRARIES, RECORDED))
        known = self._code(choices, attachment)
        found = self._environment(start)
        plan = JobPlan(
            start=start,
            attachment=attachment,
            hidden=(*attachment.withheld.values(), *self.lab.private),
            code=known,
            environment=found,
            required=self.required,
            models=self.lab.read(lambda tx: hub.given_again(tx, self.was.run.run)),
            reads=self._reads(start),
            cpus=cpus,
            restored=None
            if choices.get(Factor.CODE) == PRESENT
            else lambda folder: restoring.write(self.was.tree, folder),
            link=Link(RunId(""), self.was.run.run, How.REPLAY),
            registers=False,
        )
        given = (
            (one.view.version.dataset, one.view.version.number, one.view.part)
            for one in attachment.given
        )
        isa = self.host.isa
        return Setup(
            plan,
            {
                Factor.CODE: known.digest,
                Factor.DATA: _data(given),
                Factor.LIBRARIES: libraries(described(found)),
                **_numeric(start.argv, start.variables, cpus or self.host.cpus, isa),
            },
        )

    def compared(self, left: Mapping[str, Left]) -> Mapping[str, Left]:
        """What of a replay's outputs is to be compared with the run's."""
        return left

    def _data(self, choices: Choices) -> Mapping[str, str]:
        chosen = choices.get(Factor.DATA, RECORDED)
        if chosen == RECORDED:
            return {}
        datasets = {one.dataset for one in self.was.inputs}
        if chosen == PRESENT:
            return {name: name for name in datasets}
        name = chosen.partition("@")[0]
        if name not in datasets:
            raise BadInput(f"the run was not given {name}", hint="see `cloister ls --runs`")
        return {name: chosen}

    def _numeric(self, choices: Choices) -> tuple[Start, tuple[int, ...]]:
        """Command line, variables and processors."""
        was, kept = self.was.start, self.was.settings
        variables, argv = dict(was.variables), was.argv
        seed = choices.get(Factor.SEED, RECORDED)
        if seed != RECORDED:
            variables["PYTHONHASHSEED"] = "random" if seed == PRESENT else seed
        number = choices.get(Factor.WORKERS, RECORDED)
        if number != RECORDED:
            if not number.isdecimal():
                raise BadInput("workers are a number: --set workers=2")
            argv, variables = workers.replaced(argv, variables, number)
        chosen = choices.get(Factor.INSTRUCTIONS, RECORDED)
        variables = conditions.hold_instructions(variables, kept, self.host, chosen)
        chosen = choices.get(Factor.THREADS, RECORDED)
        held = conditions.hold_threads(variables, kept, self.host, chosen)
        start = replace(was, argv=argv, variables=held.variables)
        start = replace(start, reads=(*start.reads, *self.reads))
        return start, held.cpus if len(held.cpus) < len(self.host.cpus) else ()

    def _interpreter(self, start: Start, choice: str) -> Start:
        """At its recorded place, where the caller's shell finds it, or built anew."""
        if choice == RECORDED:
            return start
        if choice == PRESENT:
            shell = {n: v for n, v in self.host.variables.items() if n in _SHELL}
            others = {n: v for n, v in start.variables.items() if n not in _SHELL}
            return replace(start, variables=others | shell)
        command, path = start.argv[0], start.variables["PATH"]
        built = self.locked.build(self.was.environment, command, path, start.workdir)
        variables = dict(start.variables) | {
            "PATH": f"{built / 'bin'}:{path}",
            "VIRTUAL_ENV": str(built),
        }
        name = os.path.basename(command)
        argv = (str(built / "bin" / name) if "/" in command else command, *start.argv[1:])
        return replace(start, argv=argv, variables=variables)

    def _code(self, choices: Choices, attachment: Attachment) -> CodeState:
        if choices.get(Factor.CODE, RECORDED) == RECORDED:
            return CodeState(self.was.run.code, None, False, self.was.archive, 0)
        folders = [Path(os.path.realpath(one.path)) for one in attachment.given]
        hidden = [*attachment.withheld.values(), *self.lab.private]
        start = self.was.start
        return code.capture(start.workdir, exclude=[*folders, *hidden], named=start.argv)

    def _environment(self, start: Start) -> Environment:
        """What is there now; a program that is itself restored brings its own."""
        if self._own(Path(start.argv[0])):
            return self.was.environment
        return environment.capture(start.argv[0], start.variables["PATH"], start.workdir)

    def _reads(self, start: Start) -> tuple[Path, ...]:
        path, workdir = start.variables["PATH"], start.workdir
        shown = fence.interpreter_paths(start.argv[0], path, workdir)
        return tuple(one for one in shown if not self._own(one))

    def _own(self, path: Path) -> bool:
        """Whether a path names a file of the restored working folder."""
        if path.name == str(path):
            return False
        whole = Path(os.path.normpath(self.was.start.workdir / path))
        if not whole.is_relative_to(self.was.start.workdir):
            return False
        return str(whole.relative_to(self.was.start.workdir)) in self.was.tree.files


def this_host(variables: Mapping[str, str]) -> Host:
    """What replays have at hand here."""
    found = settings.capture({})
    cpus = tuple(sorted(os.sched_getaffinity(0)))
    return Host(fence.job_environment(variables, {}), cpus, found["isa"])


def libraries(described: Mapping[str, Any]) -> str:
    """One digest for interpreter and libraries, wherever they are installed."""
    pinned = sorted(
        (one["name"], one["version"], one.get("files", one["record"]))
        for one in described["distributions"]
    )
    whole = canonical([described["executable"], pinned])
    return hashlib.sha256(whole).hexdigest()


def other_libraries(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> list[tuple[str, str, str]]:
    """(name, version recorded, version found) of all that differ; ``-`` for none.

    What the run had comes first; what has been added since may be nothing to it.
    """
    old, new = _pinned(before), _pinned(after)
    found = [
        (name, old.get(name, ("-", ""))[0], new.get(name, ("-", ""))[0])
        for name in sorted({*old, *new}, key=lambda name: (name not in old, name))
        if old.get(name) != new.get(name)
    ]
    if before["executable"] != after["executable"]:
        found.insert(0, (str(before["name"]), "as recorded", "another program"))
    return found


def _pinned(described: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    return {
        one["name"]: (one["version"], one.get("files", one["record"]))
        for one in described["distributions"]
    }


def described(found: Environment) -> dict[str, Any]:
    """An environment's description, read."""
    read: dict[str, Any] = json.loads(found.description)
    return read


def _numeric(
    argv: tuple[str, ...], variables: Mapping[str, str], cpus: Sequence[int], isa: str
) -> dict[Factor, str]:
    available = str(len(cpus))
    return {
        Factor.THREADS: f"{settings.threads(variables, available)} on {available} processors",
        Factor.WORKERS: workers.count(argv, variables) or "not said",
        Factor.INSTRUCTIONS: conditions.in_effect(variables, isa),
        Factor.SEED: variables.get("PYTHONHASHSEED", "random"),
    }


def _data(given: Iterable[tuple[str, int, str]]) -> str:
    shown = sorted(
        f"{name}@{number}{':' + part if part else ''}" for name, number, part in given
    )
    return " ".join(shown) or "none"
