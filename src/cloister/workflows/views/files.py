"""What a run left, to look at: outputs of the fence and artifacts that its script logged."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from cloister.core.errors import BadInput, Erased, NotFound
from cloister.core.events import Transaction
from cloister.core.values import KeyRef
from cloister.keys.seal import SealedReader
from cloister.policy import Action, Resource
from cloister.runs import history
from cloister.runs.history import RunOutput
from cloister.tracking import artifacts
from cloister.tracking.artifacts import Artifact
from cloister.workflows import _seen
from cloister.workflows.lab import Act, Lab
from cloister.workflows.tracking import seen
from cloister.workflows.tracking.visit import Visit
from cloister.workflows.unseal import open_keys, unseal_output
from cloister.workflows.views.run import both_sides

MOST_SHOWN = 1 << 20
"""Bytes of a text that are shown."""
MOST_OF_AN_IMAGE = 16 << 20
_PICTURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)


class Kept(NamedTuple):
    """One thing on record: where its bytes are, and what opens them."""

    ref: str
    output: RunOutput | None
    artifact: Artifact | None

    @property
    def key(self) -> KeyRef:
        """What opens it."""
        one = self.output or self.artifact
        assert one is not None
        return one.key


@dataclass(frozen=True, slots=True)
class FileLine:
    """One file."""

    ref: str
    """What it is asked for by."""
    kind: str
    """``output``, ``log``, ``code``, ``environment``, ``checkpoint`` or ``artifact``."""
    path: str | None = field(repr=False)
    """None where the actor may not read, or the key was destroyed."""
    size_bytes: int
    tracked: str | None
    """The tracked run that logged it."""


@dataclass(frozen=True, slots=True)
class Files:
    """Some of them, and how many there are."""

    lines: tuple[FileLine, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Preview:
    """The beginning of a file, or all of an image."""

    path: str = field(repr=False)
    kind: str
    """A type that a browser may show: an image's, by its first bytes, or plain text."""
    size_bytes: int
    """Of the whole file."""
    chunks: Generator[bytes] = field(repr=False)


def files(lab: Lab, run: str, contains: str = "", offset: int = 0, most: int = 200) -> Files:
    """The files of a run whose names hold ``contains``, by kind and name; raises NotFound.

    Names of what the fence kept may be patient data: who may not read sees none, and that
    they were shown is on record.
    """
    act = lab.act(Action.LIST)
    kept = lab.read(lambda tx: list(_kept(Visit(lab), tx, run)))
    names = _names(act, kept) if lab.may(Action.READ) else {}
    lines = [_line(one, names) for one in kept]
    wanted = contains.casefold()
    found = [one for one in lines if not wanted or wanted in (one.path or "").casefold()]
    found.sort(key=lambda one: (_ORDER.get(one.kind, 0), one.path or "", one.ref))
    return Files(tuple(found[offset : offset + most]), len(found))


_ORDER = {"artifact": 1, "checkpoint": 2, "log": 3, "code": 4, "environment": 5}


def _line(one: Kept, names: dict[int, str]) -> FileLine:
    if one.artifact is not None:
        found = one.artifact
        return FileLine(one.ref, "artifact", found.path, found.size_bytes, found.holder)
    assert one.output is not None
    output = one.output
    path = names.get(output.place)
    return FileLine(one.ref, output.kind, path, output.size_bytes, None)


def _names(act: Act, kept: list[Kept]) -> dict[int, str]:
    outputs = [one.output for one in kept if one.output is not None]
    if not outputs:
        return {}
    operation = act.begin_read("list", run=outputs[0].run)
    keys = open_keys(act.lab, [one.key for one in outputs])
    names = {
        one.place: unseal_output(one, keys[one.seal]).path
        for one in outputs
        if one.seal in keys
    }
    act.record([act.end_read(operation, 0, 0)])
    return names


def _kept(visit: Visit, tx: Transaction, name: str) -> Iterator[Kept]:
    run, tracked = both_sides(visit, tx, name)
    if run is not None:
        for output in history.outputs(tx, run.run):
            yield Kept(f"output-{output.place}", output, None)
    for one in tracked:
        for artifact in artifacts.below(tx, one.run):
            yield Kept(f"artifact-{one.run}/{artifact.path}", None, artifact)


def preview(lab: Lab, run: str, ref: str, most: int = MOST_SHOWN) -> Preview:
    """The beginning of one file; that it is read is on record before its first byte.

    Raises NotFound, NotAllowed where the actor may not read, Erased, Tampered, BadInput for
    an image too large to be shown.
    """
    found, on = lab.read(lambda tx: _find(Visit(lab), tx, run, ref))
    act = lab.act(_reading(found), on)
    path, reader = _opened(lab, found)
    head = reader.read_at(0, 16)
    kind = _picture(head)
    if kind is not None and reader.size > MOST_OF_AN_IMAGE:
        raise BadInput(
            f"the image has {reader.size} bytes: up to {MOST_OF_AN_IMAGE} are shown",
            hint="save it instead: `cloister get`",
        )
    size = reader.size if kind else min(reader.size, max(1, min(most, MOST_SHOWN)))
    fenced = found.output.run if found.output else found.artifact and found.artifact.fenced
    chunks = _recorded(act, reader, size, fenced)
    return Preview(path, kind or "text/plain; charset=utf-8", reader.size, chunks)


def whole(lab: Lab, run: str, ref: str) -> Preview:
    """All of one file, to be taken out of the lab; raises as ``preview``.

    What the fence kept leaves under the rule for exports: the person shows who they are.
    """
    found, on = lab.read(lambda tx: _find(Visit(lab), tx, run, ref))
    act = lab.act(Action.EXPORT if found.output else _reading(found), on)
    path, reader = _opened(lab, found)
    fenced = found.output.run if found.output else found.artifact and found.artifact.fenced
    chunks = _recorded(act, reader, reader.size, fenced)
    return Preview(path, "application/octet-stream", reader.size, chunks)


def _find(visit: Visit, tx: Transaction, name: str, ref: str) -> tuple[Kept, Resource]:
    run, tracked = both_sides(visit, tx, name)
    kind, _, rest = ref.partition("-")
    if kind == "output" and run is not None and rest.isascii() and rest.isdecimal():
        for output in history.outputs(tx, run.run):
            if output.place == int(rest):
                return Kept(ref, output, None), _seen.resource(tx, _seen.RUN, run.run)
    holder, _, path = rest.partition("/")
    for one in tracked:
        if kind == "artifact" and one.run == holder and one.stage == "active":
            artifact = artifacts.find(tx, holder, path)
            seen.run(visit, tx, holder)
            on = Resource("experiment", str(one.experiment), one.project)
            return Kept(ref, None, artifact), on
    raise NotFound("the run left no such file")


def _reading(found: Kept) -> Action:
    """What a fence kept in is data; what was logged outside one is as visible as its run."""
    outside = found.artifact is not None and found.artifact.fenced is None
    return Action.LIST if outside else Action.READ


def _opened(lab: Lab, found: Kept) -> tuple[str, SealedReader]:
    key = open_keys(lab, [found.key]).get(found.key.seal_id)
    if key is None:
        raise Erased("the key of this file was destroyed; nobody can read it again")
    if found.artifact is not None:
        name, path = found.artifact.object, found.artifact.path
    else:
        assert found.output is not None
        name, path = found.output.object, unseal_output(found.output, key).path
    read_at, size = lab.store.open(name)
    return path, SealedReader(read_at, size, key, found.key.seal_id)


def _picture(head: bytes) -> str | None:
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for mark, kind in _PICTURES if head.startswith(mark)), None)


def _recorded(
    act: Act, reader: SealedReader, size: int, fenced: str | None
) -> Generator[bytes]:
    operation = act.begin_read("look", run=fenced)
    given = 0
    try:
        for at in range(0, size, 1 << 20):
            chunk = reader.read_at(at, min(1 << 20, size - at))
            given += len(chunk)
            yield chunk
    finally:
        act.record([act.end_read(operation, 1, given)])
