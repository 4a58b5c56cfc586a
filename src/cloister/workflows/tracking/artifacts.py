"""Artifacts, as scripts log, list, read and remove them: sealed on the way in, no copy kept."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import NamedTuple

from cloister.core.errors import BadInput, Erased, NotFound
from cloister.core.events import Event, Transaction
from cloister.core.ids import CollectionId, KeyId, key_id
from cloister.core.values import KeyGrant
from cloister.keys.seal import SealedReader, seal, seal_stream
from cloister.keys.values import GrantRequest
from cloister.policy import Action, Resource
from cloister.runs.identified import Place as Spot
from cloister.store import ObjectWriter, Placement
from cloister.tracking import artifacts
from cloister.tracking.artifacts import Artifact, Entry, Place
from cloister.workflows.lab import Act
from cloister.workflows.tracking import holders, marks
from cloister.workflows.tracking.cleaning import Cleaner
from cloister.workflows.tracking.holders import Holder
from cloister.workflows.tracking.recording import record
from cloister.workflows.tracking.visit import Visit
from cloister.workflows.unseal import open_keys

_WHOLE = 512 << 10
"""Files up to this size are sealed in memory, and share packs with others."""
_READ_WHOLE = 1 << 20
"""Files up to this size, which is that of a frame, are read before it is said that they are."""


Finding = Callable[..., Holder]
"""How a holder is found: one that is not deleted, unless everything is brought in or out."""


class Address(NamedTuple):
    """An address below ``mlflow-artifacts:/``, taken apart."""

    experiment: str
    holder: str
    """The id of a run, of a logged model or of a trace."""
    path: str
    """Of a file or a folder below it; empty for all of it."""


@dataclass(frozen=True, slots=True)
class Opened:
    """One artifact on its way out."""

    path: str = field(repr=False)
    size_bytes: int
    chunks: Generator[bytes] = field(repr=False)
    """Its plaintext; that it is read is on record before the first, how far after the last."""


def parse(address: str) -> Address:
    """The parts of ``EXPERIMENT/RUN/artifacts/PATH``, or of one of a logged model or trace.

    Raises BadInput for an address that leaves its folder, NotFound for one of nothing.
    """
    artifacts.check_path(address)
    experiment, *rest = address.split("/")
    if rest[:1] in (["models"], ["traces"]):
        rest = rest[1:]
    if len(rest) < 2 or rest[1] != "artifacts":
        raise NotFound("No artifacts are kept at this address")
    return Address(experiment, rest[0], "/".join(rest[2:]))


def put(
    visit: Visit,
    address: str,
    chunks: Iterable[bytes],
    size_hint: int = 0,
    holder_of: Finding = holders.active,
) -> None:
    """Keeps a file, in place of one of that name; durable when this returns.

    Takes memory of a few frames whatever the size. What ``chunks`` raises passes through and
    leaves nothing. Sealed under the key of the fenced run that logs it, which names its
    subjects; else under one of its experiment. Raises NotFound, BadInput, NoSpace.
    """
    act = visit.act(Action.RUN)
    asked = parse(address)
    if not asked.path:
        raise BadInput("Invalid path of an artifact: it names no file")
    cleaner = Cleaner(visit)
    path = cleaner.text(Spot.ARTIFACT, asked.path)

    def place(tx: Transaction) -> Place:
        holder = holder_of(visit, tx, asked.holder, asked.experiment)
        artifacts.check_free(tx, holder.name, path)
        return Place(holder.name, path, holder.experiment, visit.fenced)

    there = visit.lab.read(place)
    kept, placements = sealed(visit, there, chunks, size_hint)

    def change(tx: Transaction) -> tuple[list[Event], None]:
        place(tx)
        told = placed(act, tx, kept, placements)
        return [*told, *cleaner.events(act, kept.holder)], None

    record(act, change)


def sealed(
    visit: Visit, place: Place, chunks: Iterable[bytes], size_hint: int = 0
) -> tuple[Artifact, list[Placement]]:
    """What is to be kept at ``place``, its bytes durable, and where those are.

    Sealed under the key of its fenced run, else under one of the experiment.
    """
    grant = visit.lab.keys.grants([GrantRequest(_owner(visit, place))])[0].key
    with visit.lab.store.writer("derived") as writer:
        name, size_bytes = _seal(writer, chunks, grant, size_hint)
        placements = writer.flush()
    return place.holds(name, size_bytes, grant), placements


def placed(
    act: Act, tx: Transaction, kept: Artifact, placements: Sequence[Placement]
) -> list[Event]:
    """Lets what was sealed be found, and go what it takes the place of; the event of it."""
    act.lab.store.place(tx, placements)
    before = artifacts.at(tx, kept.holder, kept.path)
    if before is not None:
        act.lab.store.discard(tx, [before.object])
    return [act.event("artifact.logged", kept.body())]


def _seal(
    writer: ObjectWriter, chunks: Iterable[bytes], grant: KeyGrant, size_hint: int
) -> tuple[str, int]:
    """The name of the sealed object, and how many bytes it holds."""
    head, rest = bytearray(), iter(chunks)
    for chunk in rest:
        head += chunk
        if len(head) > _WHOLE:
            break
    else:
        return writer.add(seal(bytes(head), grant)), len(head)
    size_bytes = 0

    def counted() -> Iterator[bytes]:
        nonlocal size_bytes
        for chunk in chain([bytes(head)], rest):
            size_bytes += len(chunk)
            yield chunk

    return writer.add_stream(seal_stream(counted(), grant), size_hint), size_bytes


def _owner(visit: Visit, place: Place) -> KeyId:
    if place.fenced is not None:
        return key_id(place.fenced)
    known = visit.lab.read(lambda tx: artifacts.collection_of(tx, place.experiment))
    return known or visit.lab.keys.new_owner(CollectionId)


def get(visit: Visit, address: str, holder_of: Finding = holders.active) -> Opened:
    """A file, opened; the reading is on record before its first byte is given out.

    Raises NotFound, NotAllowed for what a fenced run left where the caller may not read
    data, Erased, Tampered.
    """
    asked = parse(address)
    found, on = visit.lab.read(lambda tx: _find(visit, tx, asked, holder_of))
    act = visit.act(_reading(visit, found), on)
    key = open_keys(visit.lab, [found.key]).get(found.seal)
    if key is None:
        raise Erased("the key of this artifact was destroyed; nobody can read it again")
    read_at, size = visit.lab.store.open(found.object)
    reader = SealedReader(read_at, size, key, found.seal)
    return Opened(found.path, reader.size, _recorded(act, found, reader))


def _find(
    visit: Visit, tx: Transaction, asked: Address, holder_of: Finding
) -> tuple[Artifact, Resource]:
    holder = holder_of(visit, tx, asked.holder, asked.experiment, Action.LIST)
    found = artifacts.find(tx, holder.name, Cleaner(visit).text(Spot.ARTIFACT, asked.path))
    its = marks.of_fenced(tx, [found.fenced])[found.fenced]
    return found, replace(holder.resource, data_class=its.data_class)


def _reading(visit: Visit, found: Artifact) -> Action:
    """A run may read what it logged itself; what a fence kept in is data to anybody else."""
    return Action.LIST if found.fenced in {None, visit.fenced} else Action.READ


def _recorded(act: Act, found: Artifact, reader: SealedReader) -> Generator[bytes]:
    if reader.size <= _READ_WHOLE:
        whole = b"".join(reader.chunks())
        act.read_whole("artifact", len(whole), run=found.fenced)
        yield whole
        return
    operation = act.begin_read("artifact", run=found.fenced)
    given = 0
    try:
        for chunk in reader.chunks():
            given += len(chunk)
            yield chunk
    finally:
        act.record([act.end_read(operation, 1, given)])


def entries(visit: Visit, address: str) -> list[Entry]:
    """What lies directly at an address, by name; empty for a file. Raises NotFound."""
    visit.act(Action.LIST)
    asked = parse(address)
    path = Cleaner(visit).text(Spot.ARTIFACT, asked.path)

    def query(tx: Transaction) -> list[Entry]:
        holder = holders.active(visit, tx, asked.holder, asked.experiment, Action.LIST)
        return artifacts.entries(tx, holder.name, path)

    return visit.lab.read(query)


def remove(visit: Visit, address: str) -> None:
    """Removes a file, or a folder with all that is in it; nobody reads it again.

    Nothing happens where nothing is. Raises NotFound for a run that is not there.
    """
    act = visit.act(Action.RUN)
    asked = parse(address)
    path = Cleaner(visit).text(Spot.ARTIFACT, asked.path)

    def change(tx: Transaction) -> tuple[list[Event], None]:
        holder = holders.active(visit, tx, asked.holder, asked.experiment)
        return removals(act, tx, holder.name, path), None

    record(act, change)


def removals(act: Act, tx: Transaction, holder: str, path: str = "") -> list[Event]:
    """Lets go of the bytes at ``path`` and below, and the event that says so."""
    found = artifacts.below(tx, holder, path)
    if not found:
        return []
    act.lab.store.discard(tx, [one.object for one in found])
    return [act.event("artifact.removed", {"holder": holder, "path": path})]
