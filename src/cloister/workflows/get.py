"""Get: a record or a run's output read back, on record before the first byte."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cloister.core.errors import BadInput, Erased, NotFound
from cloister.core.events import Transaction
from cloister.core.files import translated
from cloister.datasets import records, versions
from cloister.datasets.records import Record
from cloister.keys.seal import SealedReader
from cloister.policy import Action
from cloister.runs import history
from cloister.runs.history import RunOutput
from cloister.workflows import _seen
from cloister.workflows.data.materialise import Written, materialise
from cloister.workflows.lab import Lab
from cloister.workflows.unseal import open_keys, unseal_meta, unseal_output


@dataclass(frozen=True, slots=True)
class Content:
    """One plaintext, in chunks."""

    path: str = field(repr=False)
    chunks: Iterator[bytes] = field(repr=False)


@contextmanager
def get_record(lab: Lab, name: str) -> Iterator[Content]:
    """One record's bytes; raises NotFound, Erased when its key was destroyed, Tampered."""
    act = lab.act(Action.EXPORT)
    record = lab.read(lambda tx: _seen.record(lab, tx, name, Action.EXPORT))
    if record.object is None:
        raise NotFound(f"{record.record} has no bytes: it was {record.quarantine} when added")
    operation = act.begin_read("get", dataset=record.dataset, record=record.record)
    key = open_keys(lab, [record.key]).get(record.seal)
    if key is None:
        act.record([act.end_read(operation, 0, 0)])
        raise Erased(
            f"{record.record}: the subject's key was destroyed; nobody can read it again"
        )
    read_at, size = lab.store.open(record.object)
    reader = SealedReader(read_at, size, key, record.seal)
    yield Content(unseal_meta(record, key).path, reader.chunks())
    act.record([act.end_read(operation, 1, record.size_bytes)])


@contextmanager
def get_output(lab: Lab, run: str, path: str | None) -> Iterator[Content]:
    """One output of a run, or its ``log``; raises NotFound, BadInput for no path, Tampered."""
    act = lab.act(Action.EXPORT)
    kept = lab.read(lambda tx: history.outputs(tx, _seen.run(lab, tx, run, Action.EXPORT).run))
    if not kept:
        raise NotFound(f"run {run} left nothing", hint="see `cloister ls --runs`")
    if path is None:
        raise BadInput("which output?", hint=f"see `cloister ls {run}`")
    operation = act.begin_read("get", run=kept[0].run)
    keys = open_keys(lab, [output.key for output in kept])
    found = _choose(kept, keys, path)
    if found is None:
        act.record([act.end_read(operation, 0, 0)])
        raise NotFound("the run left no such output", hint=f"see `cloister ls {run}`")
    read_at, size = lab.store.open(found.object)
    reader = SealedReader(read_at, size, keys[found.seal], found.seal)
    yield Content(path, reader.chunks())
    act.record([act.end_read(operation, 1, found.size_bytes)])


def get_version(lab: Lab, reference: str, folder: Path) -> Written:
    """A whole version written to a new folder, 0700, all of it or nothing.

    Raises Conflict when the folder exists, BadInput where none can be made, NoSpace.
    """
    act = lab.act(Action.EXPORT)

    def query(tx: Transaction) -> tuple[versions.DatasetVersion, list[Record]]:
        version = _seen.version(lab, tx, reference, Action.EXPORT)
        return version, records.of_version(tx, version.dataset, version.number)

    version, members = lab.read(query)
    with translated():
        folder.mkdir(mode=0o700)
    try:
        operation = act.begin_read("get", dataset=version.dataset, number=version.number)
        written = _fill(lab, members, folder)
        act.record([act.end_read(operation, written.records, written.size_bytes)])
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return written


def _fill(lab: Lab, members: Sequence[Record], folder: Path) -> Written:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with translated():
            return materialise(lab, members, descriptor)
    finally:
        os.close(descriptor)


def _choose(kept: list[RunOutput], keys: dict[bytes, bytes], path: str) -> RunOutput | None:
    for output in reversed(kept):  # of checkpoints and an output of one name, the newest
        if output.seal in keys:
            name = unseal_output(output, keys[output.seal]).path
            if path == name or path == output.kind != "output":
                return output
    return None
