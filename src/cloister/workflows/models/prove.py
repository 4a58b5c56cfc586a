"""Prove: a bundle that lets a machine without Cloister check what made a run's models."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cloister.core.errors import Erased, NotFound
from cloister.core.events import Transaction
from cloister.core.values import Digest
from cloister.datasets import records, versions
from cloister.datasets.classes import DataClass
from cloister.datasets.records import Record
from cloister.datasets.versions import DatasetVersion, LabelMark
from cloister.keys.seal import SealedReader
from cloister.keys.signing import verify
from cloister.labels import rows
from cloister.ledger import Head
from cloister.models import exports, hub, registry
from cloister.policy import Action
from cloister.proof.archive import archive_bundle
from cloister.proof.bundle import (
    Bundle,
    BundleKind,
    BundleParts,
    Disclosure,
    ModelFile,
    write_bundle,
)
from cloister.proof.multiproof import prove_together
from cloister.proof.statement import verify_statement
from cloister.proof.trust import LabKeys
from cloister.runs import history
from cloister.runs.history import RunOutput
from cloister.workflows import _classes, _seen
from cloister.workflows.lab import Lab
from cloister.workflows.models.release import origin_places
from cloister.workflows.unseal import open_keys, unseal_meta, unseal_output

_TOGETHER = 1000


@dataclass(frozen=True, slots=True)
class Proven:
    """A bundle on disk and what it proves."""

    bundle: Bundle
    run: str
    models: tuple[Digest, ...]
    entries: int
    head: Head
    data_class: DataClass | None = None
    """The highest of the data that made the models; the bundle has the entries that say so."""


@dataclass(frozen=True, slots=True)
class _Gathered:
    """Everything of the proof, as of one snapshot."""

    run: str
    head: Head
    envelope: bytes
    indices: tuple[int, ...]
    versions: tuple[tuple[DatasetVersion, tuple[Record, ...], dict[str, list[LabelMark]]], ...]
    outputs: tuple[RunOutput, ...]
    models: tuple[registry.Model, ...] = field(repr=False)
    data_class: DataClass | None = None


def prove(
    lab: Lab, name: str, folder: Path, disclose: Sequence[str] = (), *, contents: bool = False
) -> Proven:
    """Writes the bundle of run ``name`` to a new ``folder``.

    ``disclose`` names records whose commitments are opened: whoever holds the record can
    then show that it is the one that was used; ``contents`` puts the records themselves
    beside. Raises NotFound for a run without a statement, Conflict if the folder exists,
    Erased when what must be shown was erased.
    """
    act = lab.act(Action.PROVE)
    found = lab.read(lambda tx: _gather(lab, tx, name))
    operation = act.begin_read("prove", run=found.run)
    with lab.database.read() as tx:
        leaves = (lab.reader.leaf(tx, index) for index in found.indices)
        opened = tuple(_disclosures(lab, tx, disclose, contents))
        parts, digests = _parts(lab, tx, found, leaves, opened)
        bundle = write_bundle(folder, parts)
    act.record([act.end_read(operation, 0, bundle.size_bytes)])
    entries = len(found.indices)
    return Proven(bundle, found.run, digests, entries, found.head, found.data_class)


@dataclass(frozen=True, slots=True)
class Archive:
    """A bundle on its way out, as one ZIP file."""

    run: str
    chunks: Generator[bytes] = field(repr=False)


def prove_archive(lab: Lab, name: str) -> Archive:
    """The bundle of run ``name``, made while it is sent: nothing of it rests on a disk.

    That it is given out is on record when this returns. No snapshot is held while it is
    sent, however slow whoever takes it may be. Raises what `prove` raises, before the first
    byte.
    """
    act = lab.act(Action.PROVE)
    found = lab.read(lambda tx: _gather(lab, tx, name))
    operation = act.begin_read("prove", run=found.run)
    parts, _ = lab.read(lambda tx: _parts(lab, tx, found, _entries(lab, found.indices), ()))

    def chunks() -> Generator[bytes]:
        size_bytes = 0
        for chunk in archive_bundle(parts, f"bundle-{found.run}"):
            size_bytes += len(chunk)
            yield chunk
        act.record([act.end_read(operation, 0, size_bytes)])

    return Archive(found.run, chunks())


def _parts(
    lab: Lab,
    tx: Transaction,
    found: _Gathered,
    leaves: Iterable[bytes],
    opened: Iterable[Disclosure],
) -> tuple[BundleParts, tuple[Digest, ...]]:
    public = lab.keys.public_keys()
    statement = verify_statement(found.envelope, public["statement"], verify)
    digests = (statement.closure.model, *statement.closure.companions)
    models = _Models(lab, found)
    size = found.head.size
    parts = BundleParts(
        kind=BundleKind.MODEL,
        lab=lab.id,
        about=found.run,
        keys=LabKeys(public["log"], public["statement"]),
        envelope=found.envelope,
        checkpoint=found.head.note,
        proof=prove_together(found.indices, size, _Inclusion(lab, tx, size)),
        leaves=leaves,
        versions=[_leaves(members, marks) for _, members, marks in found.versions],
        models=[ModelFile(digest, models.chunks(digest)) for digest in digests],
        disclosures=[*models.openings(), *opened],
        environment=models.environment(),
    )
    return parts, digests


def _entries(lab: Lab, indices: Sequence[int]) -> Iterator[bytes]:
    """Entries of the ledger, some at a time: they never change, so no snapshot is needed."""
    for start in range(0, len(indices), _TOGETHER):
        part = indices[start : start + _TOGETHER]
        with lab.database.read() as tx:
            found = [lab.reader.leaf(tx, index) for index in part]
        yield from found


def _gather(lab: Lab, tx: Transaction, name: str) -> _Gathered:
    run = _seen.run(lab, tx, name, Action.PROVE)
    signed = registry.envelope(tx, run.run)
    if signed is None:
        raise NotFound(
            f"{run.run} left no model with a signed statement",
            hint=f"convert what it left: `cloister export {run.run}`; or leave an ONNX file",
        )
    given = [
        versions.resolve(tx, f"{one.dataset}@{one.number}")
        for one in history.inputs(tx, run.run)
    ]
    outputs, models = history.outputs(tx, run.run), registry.of_run(tx, run.run)
    indices = {run.begun, run.ended or run.begun, signed[1]}
    indices |= {output.place for output in outputs} | {model.registered for model in models}
    indices |= set(registry.taint_places(tx, run.run))
    indices |= set(hub.given_at(tx, run.run))
    exported = exports.find(tx, run.run)
    indices |= set(origin_places(tx, exported)) if exported is not None else set()
    indices |= _classes.places_of(tx, {version.dataset for version in given})
    used = []
    for version in given:
        members = records.of_version(tx, version.dataset, version.number)
        inside = {record.record for record in members}
        labels = rows.in_force(tx, version.dataset, version.place)
        mine = {record: found for record, found in labels.items() if record in inside}
        indices |= {version.place} | {record.place for record in members}
        indices |= {label.place for found in mine.values() for label in found}
        marks = {
            record: [LabelMark(label.label, label.commitment) for label in found]
            for record, found in mine.items()
        }
        used.append((version, tuple(members), marks))
    return _Gathered(
        run=run.run,
        head=lab.reader.head(tx),
        envelope=signed[0].encode(),
        indices=tuple(sorted(indices)),
        versions=tuple(used),
        outputs=tuple(outputs),
        models=tuple(models),
        data_class=_classes.of_run(tx, run.run),
    )


def _leaves(members: Sequence[Record], marks: dict[str, list[LabelMark]]) -> Iterable[bytes]:
    return (versions.leaf(record, marks.get(record.record, ())) for record in members)


class _Inclusion:
    """Audit paths of ledger entries, asked of one snapshot."""

    def __init__(self, lab: Lab, tx: Transaction, size: int) -> None:
        self._lab = lab
        self._tx = tx
        self._size = size

    def __call__(self, index: int) -> Sequence[bytes]:
        return self._lab.reader.inclusion(self._tx, index, self._size)


class _Models:
    """The run's outputs that the bundle shows: models, their openings, the environment."""

    def __init__(self, lab: Lab, found: _Gathered) -> None:
        self._lab = lab
        self._by_place = {output.place: output for output in found.outputs}
        self._places = {model.sha256: model.output for model in found.models}
        self._outputs = found.outputs
        self._keys = open_keys(lab, [output.key for output in found.outputs])
        if not self._keys:
            raise Erased("what the run left was destroyed: nothing can be shown")

    def chunks(self, model: Digest) -> Iterator[bytes]:
        return self._read(self._by_place[self._places[model.sha256]])

    def openings(self) -> Iterator[Disclosure]:
        for place in sorted(self._places.values()):
            output = self._by_place[place]
            opening = unseal_output(output, self._keys[output.seal]).opening
            assert opening is not None
            yield Disclosure(f"output-{place}", opening)

    def environment(self) -> bytes:
        found = next(output for output in self._outputs if output.kind == "environment")
        return b"".join(self._read(found))

    def _read(self, output: RunOutput) -> Iterator[bytes]:
        read_at, size = self._lab.store.open(output.object)
        key = self._keys[output.seal]
        yield from SealedReader(read_at, size, key, output.seal).chunks()


def _disclosures(
    lab: Lab, tx: Transaction, names: Sequence[str], contents: bool
) -> Iterator[Disclosure]:
    if not names:
        return
    act = lab.act(Action.EXPORT)
    for record in [_seen.record(lab, tx, name, Action.EXPORT) for name in names]:
        operation = act.begin_read("disclose", dataset=record.dataset, record=record.record)
        key = open_keys(lab, [record.key]).get(record.seal)
        if key is None or record.object is None:
            raise Erased(f"{record.record} was erased: its commitment cannot be opened")
        opening = unseal_meta(record, key).opening
        assert opening is not None
        read_at, size = lab.store.open(record.object)
        reader = SealedReader(read_at, size, key, record.seal)
        yield Disclosure(record.record, opening, reader.chunks() if contents else None)
        act.record([act.end_read(operation, 1, record.size_bytes if contents else 0)])
