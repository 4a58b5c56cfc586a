"""Traces, as clients tell, tag and delete them; what a call was given and gave is sealed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from cloister.core.errors import BadInput, Conflict, NotFound
from cloister.core.events import Event, Transaction
from cloister.policy import Action
from cloister.runs.identified import Place
from cloister.store import Placement
from cloister.tracking import artifacts, assessments, limits, notes, spans, traces
from cloister.tracking.artifacts import Artifact
from cloister.tracking.artifacts import Place as Spot
from cloister.tracking.assessments import Assessment, holder_of
from cloister.tracking.experiments import ACTIVE, Experiment
from cloister.tracking.notes import Note
from cloister.tracking.spans import Span
from cloister.tracking.traces import (
    FACE,
    MOST_SPAN_BYTES,
    NAME,
    RUNNING,
    SAID,
    SOURCE_RUN,
    Trace,
)
from cloister.workflows.lab import Act
from cloister.workflows.tracking import holders, seen
from cloister.workflows.tracking.artifacts import placed, removals, sealed
from cloister.workflows.tracking.assessing import ready
from cloister.workflows.tracking.cleaning import Cleaner
from cloister.workflows.tracking.experiments import ensure_default
from cloister.workflows.tracking.recording import one, record
from cloister.workflows.tracking.visit import Visit

MOST_TRACES = 1000
_PREVIEW_CHARS = 10_000
_NAME_CHARS = 250


@dataclass(frozen=True, slots=True)
class NewTrace:
    """What a client says of a call once it is over."""

    trace: str
    experiment: str
    started_ms: int
    state: str
    duration_ms: int | None = None
    client: str | None = None
    given: str | None = field(default=None, repr=False)
    """The beginning of what the call was given, as text."""
    gave: str | None = field(default=None, repr=False)
    metadata: tuple[Note, ...] = ()
    tags: tuple[Note, ...] = ()
    assessments: tuple[Assessment, ...] = field(default=(), repr=False)


def tell(visit: Visit, new: NewTrace) -> None:
    """The call is over, and on record when this returns, its texts without ids of patients.

    Raises NotFound for an experiment that is not there, BadInput for what is refused,
    Conflict for a trace that another experiment has.
    """
    act = visit.act(Action.RUN)
    _check(new)
    cleaner = Cleaner(visit)
    metadata = cleaner.notes(Place.TRACE, [n for n in new.metadata if n.name not in SAID])
    said = cleaner.notes(Place.TRACE, [n for n in new.metadata if n.name in SAID])
    tags = notes.last_of_each(cleaner.notes(Place.TRACE, new.tags))
    given, gave = (text and cleaner.text(Place.TRACE, text) for text in (new.given, new.gave))
    face = {"gave": gave, "given": given, "metadata": [list(note) for note in said]}
    client = new.client and cleaner.text(Place.TRACE, new.client)
    home = _home(visit, act, new.experiment)
    (fresh,) = _fresh(visit, [new.trace], home)
    content = [_json(face)] if given or gave or said else None
    kept = None if content is None else sealed(visit, fresh.spot(FACE), content)
    assessed = [
        ready(visit, cleaner, fresh.spot(each.id)._replace(holder=holder_of(new.trace)), each)
        for each in new.assessments
    ]

    def change(tx: Transaction) -> tuple[list[Event], None]:
        before = fresh.there(tx)
        run = _source(visit, tx, dict(metadata).get(SOURCE_RUN, ""))
        told = Trace(
            trace=new.trace,
            experiment=home.number,
            project=home.project,
            fenced=fresh.fenced,
            source_run=run or (before.source_run if before else ""),
            client=client,
            started_ms=new.started_ms,
            duration_ms=new.duration_ms,
            state=new.state,
            final=1,
        )
        events = one(act, "traced.told", told.body(metadata, tags))
        if kept is not None:
            events += placed(act, tx, *kept)
        events += [event for each in assessed for event in each.events(act, tx)]
        return [*events, *cleaner.events(act, _named(told))], None

    record(act, change)


def _check(new: NewTrace) -> None:
    traces.check_id(new.trace)
    limits.check_count("assessments", len(new.assessments), assessments.MOST)
    traces.check_metadata(new.metadata)
    traces.check_tags(new.tags)
    limits.check_time(new.started_ms, "request_time")
    if new.duration_ms is not None:
        limits.check_time(new.duration_ms, "execution_duration")
    for text, what in ((new.given, "request_preview"), (new.gave, "response_preview")):
        limits.check_text(text or "", what, _PREVIEW_CHARS)
    limits.check_text(new.client or "", "client_request_id", limits.KEY_CHARS)
    if new.state not in traces.STATES:
        raise BadInput(f"Invalid state: expected one of {', '.join(traces.STATES)}")


def add(visit: Visit, experiment: str, found: Sequence[Span], run: str = "") -> None:
    """Keeps spans, of any number of traces: all of them, or none.

    A trace that is new begins; one whose client has not said how it ended goes on. Raises
    NotFound, Conflict, and BadInput for a trace that would grow too large.
    """
    act = visit.act(Action.RUN)
    cleaner = Cleaner(visit)
    bodies = [span.body for span in found]
    clean = spans.with_texts(bodies, cleaner.texts(Place.TRACE, spans.texts(bodies)))
    by_trace: dict[str, list[Span]] = {}
    for span, body in zip(found, clean, strict=True):
        by_trace.setdefault(span.trace, []).append(span._replace(body=body))
    limits.check_count("traces", len(by_trace), limits.TEXTS_A_BATCH)
    home = _home(visit, act, experiment)
    fresh = _fresh(visit, list(by_trace), home)
    coming = [_Coming(each, by_trace[each.name]) for each in fresh]
    for each in coming:
        each.seal()

    def change(tx: Transaction) -> tuple[list[Event], None]:
        source = _source(visit, tx, run)
        events: list[Event] = []
        for each in coming:
            events += each.events(act, tx, source)
        named = source or visit.fenced or coming[0].fresh.name
        return [*events, *cleaner.events(act, named)], None

    if coming:
        record(act, change)


def _home(visit: Visit, act: Act, experiment: str) -> Experiment:
    if experiment in {"", "0"}:
        ensure_default(visit, act)
    home = visit.lab.read(lambda tx: seen.experiment(visit, tx, experiment, Action.RUN))
    if home.stage != ACTIVE:
        raise BadInput(f"The experiment {home.number} must be in the 'active' state.")
    return home


def _source(visit: Visit, tx: Transaction, run: str) -> str:
    """The tracked run of that id; empty where there is none, for MLflow takes any word."""
    if not run:
        return ""
    try:
        return seen.run(visit, tx, run, Action.RUN).run
    except NotFound:
        return ""


def _named(told: Trace) -> str:
    """On what a finding is recorded: the run it was called in, if there is one."""
    return told.source_run or told.fenced or told.trace


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass(slots=True)
class _Fresh:
    """A trace, there already or not, about to be said more of."""

    visit: Visit
    name: str
    home: Experiment
    fenced: str | None
    """The run that it was called in, whose key seals what anybody says of it."""

    def spot(self, path: str) -> Spot:
        """Where a sealed part of it is kept."""
        holder = traces.parts_of(self.name)
        return Spot(holder, path, self.home.number, self.fenced)

    def there(self, tx: Transaction) -> Trace | None:
        """As it is; raises Conflict for one of another experiment, or begun meanwhile."""
        seen.experiment(self.visit, tx, str(self.home.number), Action.RUN)
        if not traces.of_ids(tx, [self.name]):
            return None
        found = holders.trace(self.visit, tx, self.name)
        if found.experiment != self.home.number:
            raise Conflict("a trace of this id belongs to another experiment")
        if found.fenced != self.fenced:
            raise Conflict("a run began a trace of this id meanwhile", hint="say it again")
        return found


def _fresh(visit: Visit, names: Sequence[str], home: Experiment) -> list[_Fresh]:
    there = visit.lab.read(lambda tx: traces.of_ids(tx, names))
    known = {one.trace: one.fenced for one in there}
    return [_Fresh(visit, name, home, visit.fenced or known.get(name)) for name in names]


@dataclass(slots=True)
class _Coming:
    """The spans of one trace on their way in."""

    fresh: _Fresh
    spans: list[Span]
    kept: tuple[Artifact, Sequence[Placement]] | None = None

    def seal(self) -> None:
        content = _json([span.body for span in self.spans])
        self.kept = sealed(self.fresh.visit, self.fresh.spot(""), [content])

    def events(self, act: Act, tx: Transaction, source: str) -> list[Event]:
        assert self.kept is not None
        kept, placements = self.kept
        before = self.fresh.there(tx)
        count, size_bytes = artifacts.extent(tx, kept.holder)
        if size_bytes + kept.size_bytes > MOST_SPAN_BYTES:
            raise BadInput(f"the spans of a trace hold at most {MOST_SPAN_BYTES >> 20} MiB")
        part = kept._replace(path=f"{count:06d}")
        events = placed(act, tx, part, placements)
        if before is None or not before.final:
            events += one(act, "traced.told", self._told(before, source))
        return events

    def _told(self, before: Trace | None, source: str) -> dict[str, object]:
        """What these spans say of the trace, beside what those before them said."""
        fresh, root = self.fresh, next((one for one in self.spans if one.is_root), None)
        starts = [span.started_ms for span in self.spans]
        ends = [span.ended_ms for span in self.spans if span.ended_ms is not None]
        state = RUNNING if before is None else before.state
        if before is not None:
            starts.append(before.started_ms)
            if before.duration_ms is not None:
                ends.append(before.started_ms + before.duration_ms)
        if root is not None and root.ended_ms is not None:
            state = "ERROR" if root.failed else "OK"
        started_ms = min(*starts, limits.LATEST_MS)
        duration_ms = max(0, max(ends) - started_ms) if ends else None
        told = Trace(
            trace=fresh.name,
            experiment=fresh.home.number,
            project=fresh.home.project,
            fenced=fresh.fenced,
            source_run=source or (before.source_run if before else ""),
            client=before.client if before else None,
            started_ms=started_ms,
            duration_ms=None if duration_ms is None else min(duration_ms, limits.LATEST_MS),
            state=state,
            final=0,
        )
        name = root.body.get("name", "")[:_NAME_CHARS] if root is not None else ""
        metadata = [Note(SOURCE_RUN, source)] if source else []
        return told.body(metadata, [Note(NAME, name)] if name else [])


def set_tag(visit: Visit, trace: str, tag: Note) -> None:
    """Sets a tag; raises NotFound, BadInput."""
    act = visit.act(Action.RUN)
    traces.check_tags([tag])
    cleaner = Cleaner(visit)
    (clean,) = cleaner.notes(Place.TRACE, [tag])

    def change(tx: Transaction) -> tuple[list[Event], None]:
        found = holders.trace(visit, tx, trace)
        body = {"name": clean.name, "trace": trace, "value": clean.value}
        told = one(act, "traced.tagged", body)
        return [*told, *cleaner.events(act, _named(found))], None

    record(act, change)


def link(visit: Visit, run: str, names: Sequence[str]) -> None:
    """Lists traces with a tracked run, whichever they were called in; raises NotFound."""
    act = visit.act(Action.RUN)
    limits.check_count("trace ids", len(names), traces.MOST_LINKS)

    def change(tx: Transaction) -> tuple[list[Event], None]:
        seen.run(visit, tx, run, Action.RUN)
        known = traces.linked_to(tx, run)
        found = [holders.trace(visit, tx, name) for name in dict.fromkeys(names)]
        new = [one.trace for one in found if one.trace not in known]
        bodies = [{"trace": name, "tracked": run} for name in new]
        return list(act.events("traced.linked", bodies)), None

    record(act, change)


def remove_tag(visit: Visit, trace: str, name: str) -> None:
    """Takes one tag off; raises NotFound."""
    act = visit.act(Action.RUN)
    name = Cleaner(visit).text(Place.TRACE, name)

    def change(tx: Transaction) -> tuple[list[Event], None]:
        holders.trace(visit, tx, trace)
        if not notes.has_tag(tx, traces.tags_of(trace), name):
            raise NotFound(f"No trace tag of that name for trace with ID '{trace}'")
        return one(act, "traced.untagged", {"name": name, "trace": trace}), None

    record(act, change)


def delete(
    visit: Visit,
    experiment: str,
    until_ms: int | None = None,
    most: int | None = None,
    ids: Sequence[str] = (),
) -> int:
    """Deletes traces of an experiment for good, and says how many: those ids, or the oldest
    that began until then. Raises NotFound, BadInput where neither is said."""
    act = visit.act(Action.RUN)
    if bool(ids) == (until_ms is not None):
        raise BadInput(
            "Either `max_timestamp_millis` or `trace_ids` must be specified, but not both."
        )
    if most is not None and (ids or most <= 0):
        raise BadInput("`max_traces` is a positive number, and goes with a timestamp alone.")
    limits.check_count("trace ids", len(ids), MOST_TRACES)

    def change(tx: Transaction) -> tuple[list[Event], int]:
        home = seen.experiment(visit, tx, experiment, Action.RUN)
        if ids:
            found = [one for one in traces.of_ids(tx, ids) if one.experiment == home.number]
        else:
            wanted = min(most or MOST_TRACES, MOST_TRACES)
            found = traces.of_experiment(tx, home.number, until_ms, wanted)
        mine = [one for one in found if visit.fenced in {None, one.fenced}]
        return deletions(act, tx, mine), len(mine)

    total = 0
    while True:
        gone = record(act, change)
        total += gone
        if ids or most is not None or gone < MOST_TRACES:
            return total


def deletions(act: Act, tx: Transaction, found: Iterable[Trace]) -> list[Event]:
    """Lets go of what these traces said, and the events that say so."""
    events: list[Event] = []
    for each in found:
        for holder in holders_of(each.trace):
            events += removals(act, tx, holder)
        events += one(act, "traced.deleted", {"trace": each.trace})
    return events


def holders_of(trace: str) -> tuple[str, str, str]:
    """All that sealed parts of it are kept under: files, spans, what was said of it."""
    return trace, traces.parts_of(trace), holder_of(trace)
