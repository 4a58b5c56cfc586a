"""Traces, as clients find and read them: what is sealed is opened for who may read data."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

from cloister.core.errors import BadInput, Erased
from cloister.core.events import Event, Transaction
from cloister.datasets.classes import DataClass
from cloister.keys.seal import SealedReader
from cloister.policy import Action, Resource
from cloister.runs.identified import Place
from cloister.tracking import artifacts, assessments, limits, traces
from cloister.tracking import experiments as homes
from cloister.tracking.artifacts import Artifact
from cloister.tracking.assessments import Assessment
from cloister.tracking.notes import Note
from cloister.tracking.search import traces as searching
from cloister.tracking.search.pages import Page, Window
from cloister.tracking.spans import Json
from cloister.tracking.traces import FACE, MOST_SPAN_BYTES, Trace
from cloister.workflows.lab import Act
from cloister.workflows.tracking import holders, marks, seen
from cloister.workflows.tracking.cleaning import Cleaner
from cloister.workflows.tracking.visit import Visit
from cloister.workflows.unseal import open_keys

MOST_A_PAGE = 500


class Face(NamedTuple):
    """What lists show of what a call was given and gave; all of it was sealed."""

    given: str | None = None
    gave: str | None = None
    metadata: tuple[Note, ...] = ()


class SeenTrace(NamedTuple):
    """A trace and what is said of it."""

    trace: Trace
    root: str
    """The address of its experiment's artifacts."""
    metadata: Sequence[Note]
    tags: Sequence[Note]
    face: Face
    """Empty for who may not read data, and where its key was destroyed."""
    has_spans: bool
    """Whether its spans came by OTLP, and not as a file."""
    assessments: Sequence[Assessment] = ()
    """None either for who may not read data, and where their key was destroyed."""


class _Rows(NamedTuple):
    """What the tables say of some traces."""

    trace: Trace
    root: str
    metadata: Sequence[Note]
    tags: Sequence[Note]
    parts: Sequence[Artifact]
    assessed: Sequence[Artifact]
    data_class: DataClass | None
    """Of the data that the fenced run was given."""

    @property
    def sealed(self) -> list[Artifact]:
        """All that is sealed of it."""
        return [*self.parts, *self.assessed]


def info(visit: Visit, trace: str) -> SeenTrace:
    """The trace of that id; raises NotFound."""
    visit.act(Action.LIST)
    rows = visit.lab.read(lambda tx: _rows(tx, [holders.trace(visit, tx, trace, Action.LIST)]))
    return _with_faces(visit, rows)[0]


def infos(visit: Visit, ids: Sequence[str]) -> list[SeenTrace]:
    """Those of these that the caller sees, in the order asked."""
    visit.act(Action.LIST)
    return _with_faces(visit, visit.lab.read(lambda tx: _rows(tx, _visible(visit, tx, ids))))


def search(
    visit: Visit,
    experiments: Sequence[str],
    filter_string: str = "",
    order_by: Sequence[str] = (),
    most: int = 100,
    page_token: str | None = None,
) -> Page[SeenTrace]:
    """One page of the traces that match; raises BadInput for a filter that is none."""
    visit.act(Action.LIST)
    numbers = [limits.experiment_number(number) for number in experiments]
    window = Window.asked(most, page_token, MOST_A_PAGE)
    filter_string = Cleaner(visit).text(Place.NAME, filter_string)

    def query(tx: Transaction) -> list[_Rows]:
        seen_homes = seen.visible(visit, tx, numbers)
        within = holders.traces_within(visit)
        return _rows(
            tx,
            searching.search(tx, seen_homes, filter_string, order_by, window.bounds, within),
        )

    return window.page(visit.lab.read(query), partial(_with_faces, visit))


def assessed(visit: Visit, trace: str) -> Sequence[Assessment]:
    """What is said of a trace; the reading is on record first.

    Raises NotFound, NotAllowed for what a fenced run said where the caller may not read data,
    Erased.
    """
    visit.act(Action.LIST)
    (one,) = visit.lab.read(
        lambda tx: _rows(tx, [holders.trace(visit, tx, trace, Action.LIST)])
    )
    visit.act(_reading(visit, one.trace), _resource(one))
    contents = _opened(visit, one.assessed)
    if len(contents) < len(one.assessed):
        raise _erased()
    return _shown(one, contents).assessments


def _erased() -> Erased:
    return Erased("the key of this trace was destroyed; nobody can read it again")


def whole(
    visit: Visit, ids: Sequence[str], *, deleted: bool = False
) -> list[tuple[SeenTrace, list[Json]]]:
    """Those of these that the caller sees, with their spans; all reading is on record first.

    With ``deleted`` those of deleted experiments too.
    Raises NotAllowed for what a fenced run said where the caller may not read data, Erased,
    BadInput where they are more than fit into memory.
    """
    visit.act(Action.LIST)
    rows = visit.lab.read(lambda tx: _rows(tx, _visible(visit, tx, ids, deleted=deleted)))
    for one in rows:
        visit.act(_reading(visit, one.trace), _resource(one))
    contents = _opened(visit, [part for one in rows for part in one.sealed])
    told = []
    for one in rows:
        if any(part.object not in contents for part in one.sealed):
            raise _erased()
        bodies: dict[str, Json] = {}
        for part in one.parts:
            if part.path != FACE:
                bodies |= {body["spanId"]: body for body in json.loads(contents[part.object])}
        order = sorted(bodies.values(), key=lambda each: int(each.get("startTimeUnixNano", 0)))
        told.append((_shown(one, contents), order))
    return told


def _visible(
    visit: Visit, tx: Transaction, ids: Sequence[str], *, deleted: bool = False
) -> list[Trace]:
    limits.check_count("trace ids", len(ids), MOST_A_PAGE)
    there = {one.trace: one for one in traces.of_ids(tx, list(dict.fromkeys(ids)))}
    found = [there[name] for name in dict.fromkeys(ids) if name in there]
    mine = [one for one in found if visit.fenced in {None, one.fenced}]
    active = {
        one.number
        for one in homes.of_numbers(tx, sorted({one.experiment for one in mine}))
        if (deleted or one.stage == homes.ACTIVE) and seen.shares(visit, tx, one)
    }
    return [one for one in mine if one.experiment in active]


def _rows(tx: Transaction, found: Sequence[Trace]) -> list[_Rows]:
    names = [one.trace for one in found]
    metadata, tags = traces.notes_by_trace(tx, names)
    parts: defaultdict[str, list[Artifact]] = defaultdict(list)
    sealed = [of(name) for name in names for of in (traces.parts_of, assessments.holder_of)]
    for part in artifacts.of_holders(tx, sealed):
        parts[part.holder].append(part)
    numbers = sorted({one.experiment for one in found})
    roots = {one.number: one.artifacts for one in homes.of_numbers(tx, numbers)}
    its = marks.of_fenced(tx, (one.fenced for one in found))
    return [
        _Rows(
            one,
            roots[one.experiment],
            metadata[traces.metadata_of(one.trace)],
            tags[traces.tags_of(one.trace)],
            parts[traces.parts_of(one.trace)],
            parts[assessments.holder_of(one.trace)],
            its[one.fenced].data_class,
        )
        for one in found
    ]


def _with_faces(visit: Visit, rows: Sequence[_Rows]) -> list[SeenTrace]:
    """Each as a list shows it; who may not read data sees nothing of what it said."""
    faces = [
        part
        for one in rows
        if visit.lab.may(_reading(visit, one.trace), _resource(one))
        for part in (*(part for part in one.parts if part.path == FACE), *one.assessed)
    ]
    contents = _opened(visit, faces)
    return [_shown(one, contents) for one in rows]


def _shown(one: _Rows, contents: dict[str, bytes]) -> SeenTrace:
    face = Face()
    for part in one.parts:
        if part.path == FACE and part.object in contents:
            said: dict[str, Any] = json.loads(contents[part.object])
            noted = tuple(Note(*note) for note in said["metadata"])
            face = Face(said["given"], said["gave"], noted)
    has_spans = any(part.path != FACE for part in one.parts)
    said_of_it = [
        assessments.of_content(contents[part.object])
        for part in one.assessed
        if part.object in contents
    ]
    return SeenTrace(one.trace, one.root, one.metadata, one.tags, face, has_spans, said_of_it)


def _reading(visit: Visit, trace: Trace) -> Action:
    """A run may read what it said itself; what a fence kept in is data to anybody else."""
    return Action.LIST if trace.fenced in {None, visit.fenced} else Action.READ


def _resource(one: _Rows) -> Resource:
    trace = one.trace
    return Resource("experiment", str(trace.experiment), trace.project, one.data_class)


def _opened(visit: Visit, parts: Sequence[Artifact]) -> dict[str, bytes]:
    """The plaintext of each, by its object; of what was erased there is none.

    Raises BadInput where they are more than fit into memory.
    """
    if sum(part.size_bytes for part in parts) > 2 * MOST_SPAN_BYTES:
        raise BadInput("these traces are too large together: ask for fewer at once")
    keys = open_keys(visit.lab, [part.key for part in parts]) if parts else {}
    readable = [part for part in parts if part.seal in keys]
    if readable:
        act = visit.act(Action.LIST)
        act.record(list(_begun(act, readable)))
    contents = {}
    for part in readable:
        read_at, size = visit.lab.store.open(part.object)
        reader = SealedReader(read_at, size, keys[part.seal], part.seal)
        contents[part.object] = b"".join(reader.chunks())
    return contents


def _begun(act: Act, parts: Iterable[Artifact]) -> Iterable[Event]:
    """The events that say whose parts are read: one pair for each run of the fence."""
    by_run: defaultdict[str | None, list[Artifact]] = defaultdict(list)
    for part in parts:
        by_run[part.fenced].append(part)
    for run, some in by_run.items():
        size_bytes = sum(part.size_bytes for part in some)
        yield from act.whole_read("trace", len(some), size_bytes, run=run)
