"""A run as the record has it: how it was started, from which code, and what it left."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cloister.core.errors import BadInput, NotFound
from cloister.core.events import Transaction
from cloister.core.ids import RunId
from cloister.datasets import records, versions
from cloister.identity import subjects
from cloister.keys.seal import SealedReader, open_field
from cloister.runs import command, history, restoring
from cloister.runs.command import Start
from cloister.runs.environment import Environment
from cloister.runs.history import Run, RunInput, RunOutput
from cloister.runs.restoring import Tree
from cloister.workflows import _seen
from cloister.workflows.data.materialise import view
from cloister.workflows.lab import Act, Lab
from cloister.workflows.unseal import open_keys, unseal_output


@dataclass(frozen=True, slots=True)
class Left:
    """One output of a run, and what opens it."""

    path: str = field(repr=False)
    sha256: str
    output: RunOutput
    object_key: bytes = field(repr=False)

    def chunks(self, lab: Lab) -> Iterator[bytes]:
        """Its plaintext; raises Tampered."""
        read_at, size = lab.store.open(self.output.object)
        return SealedReader(read_at, size, self.object_key, self.output.seal).chunks()


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """Everything that a replay starts from."""

    run: Run
    start: Start = field(repr=False)
    inputs: tuple[RunInput, ...]
    settings: Mapping[str, str]
    archive: bytes = field(repr=False)
    tree: Tree = field(repr=False)
    environment: Environment
    left: Mapping[str, Left] = field(repr=False)
    """Path -> output; for a run that left none, its log."""
    erased: int
    """Records it was given whose subjects were erased since."""

    @property
    def described(self) -> dict[str, Any]:
        """The environment's description."""
        found: dict[str, Any] = json.loads(self.environment.description)
        return found


def recorded(act: Act, name: str) -> RecordedRun:
    """The run ``name``; that its code and outputs are read is on record first.

    Raises NotFound, BadInput for a run that has not ended or left nothing to compare.
    """
    run = ended_run(act.lab, name)
    return recorded_as(act, run, start_of(act.lab, run), run.run)


def ended_run(lab: Lab, name: str) -> Run:
    """The run ``name``, if it left something; raises NotFound, BadInput."""
    run = lab.read(lambda tx: _seen.run(lab, tx, name))
    if run.state not in {"finished", "failed"}:
        raise BadInput(
            f"{run.run} is {run.state}: it left nothing that a replay could be compared with",
            hint="go on with it: `cloister run --resume RUN`",
        )
    return run


def recorded_as(act: Act, run: Run, start: Start, keeper: RunId) -> RecordedRun:
    """A run that is started so, and whose code and environment are kept with ``keeper``."""
    lab = act.lab
    operation = act.begin_read("reproduce", run=run.run)
    left = leavings(lab, run.run)
    kept = left if keeper == run.run else leavings(lab, keeper)
    code, environment = _only(kept, "code"), _only(kept, "environment")
    archive = b"".join(code.chunks(lab))
    description = b"".join(environment.chunks(lab))
    act.record([act.end_read(operation, 0, len(archive) + len(description))])
    return RecordedRun(
        run=run,
        start=start,
        inputs=tuple(lab.read(lambda tx: history.inputs(tx, run.run))),
        settings=history.settings(run),
        archive=archive,
        tree=restoring.unpack(archive),
        environment=Environment(
            run.environment, description, len(json.loads(description)["distributions"])
        ),
        left=outputs_of(left),
        erased=lab.read(lambda tx: _erased(tx, run)),
    )


def start_of(lab: Lab, run: Run) -> Start:
    """How ``run`` was started; raises NotFound for one recorded by an earlier version."""
    key = open_keys(lab, [run.key])[run.seal]
    plain = open_field(key, command.PURPOSE, run.command, run.run.encode())
    return command.read_start(plain)


def leavings(lab: Lab, run: RunId) -> list[Left]:
    """All that a run left, in ledger order."""
    found = lab.read(lambda tx: history.outputs(tx, run))
    keys = open_keys(lab, [one.key for one in found])
    return [_left(one, keys[one.seal]) for one in found if one.seal in keys]


def outputs_of(left: list[Left]) -> Mapping[str, Left]:
    """The files among them by path, or the log where there is none."""
    files = {one.path: one for one in left if one.output.kind == "output"}
    return files or {one.path: one for one in left if one.output.kind == "log"}


def _left(output: RunOutput, key: bytes) -> Left:
    plain = unseal_output(output, key)
    assert plain.opening is not None  # every output of a run has one
    return Left(plain.path, plain.opening.plaintext_sha256.hex(), output, key)


def _only(left: list[Left], kind: str) -> Left:
    found = [one for one in left if one.output.kind == kind]
    if not found:
        raise NotFound(f"the run's {kind} is not on record", hint="see `cloister ls RUN`")
    return found[0]


def _erased(tx: Transaction, run: Run) -> int:
    """Records it was given whose subjects' keys were destroyed after it began."""
    gone = {subject for _, subject in subjects.erased_since(tx, run.begun)}
    pending = {name for one in subjects.pending_erasures(tx) for name in one.subjects}
    given = [
        record
        for one in history.inputs(tx, run.run)
        for record in _members(tx, one, run.begun)
        if record.subject in gone | pending
    ]
    return len(given)


def _members(tx: Transaction, given: RunInput, at: int) -> tuple[records.Record, ...]:
    version = versions.resolve(tx, f"{given.dataset}@{given.number}")
    return view(tx, version, given.part, at).records
