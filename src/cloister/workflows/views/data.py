"""Datasets and versions as pages show them: counts from rows, names only where asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cloister.biobank import Kind
from cloister.checks import KINDS
from cloister.core.events import Transaction
from cloister.core.ids import SubjectId
from cloister.datasets import checked, classes, records, splits, versions
from cloister.datasets.checked import Check
from cloister.datasets.records import Record
from cloister.datasets.splits import Split
from cloister.datasets.versions import DatasetVersion
from cloister.identity import projects, subjects
from cloister.labels import rows
from cloister.policy import Action, Resource
from cloister.runs import history
from cloister.workflows import _seen
from cloister.workflows.data import retract
from cloister.workflows.lab import Lab
from cloister.workflows.unseal import open_keys, sources, unseal_label, unsealed

_MOST_VALUES = 40


@dataclass(frozen=True, slots=True)
class FoundLine:
    """One kind of finding: what anybody may know of it."""

    code: str
    severity: str
    count: int
    title: str
    advice: str


@dataclass(frozen=True, slots=True)
class DatasetLine:
    """One dataset in the list."""

    name: str
    latest: DatasetVersion | None
    versions: int
    quarantined: int
    unfinished: int | None
    """Records that an add which goes on, or was interrupted, has sealed; None without one."""
    checked: str | None
    """When the newest version was checked last; None if it never was."""
    findings: tuple[FoundLine, ...]
    source: str | None = field(repr=False)
    """None where the actor may not read, or the keys cannot say."""


@dataclass(frozen=True, slots=True)
class VersionLine:
    """One version in a dataset's history."""

    version: DatasetVersion
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KindLine:
    """Records of one kind."""

    kind: str
    records: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class PartLine:
    """One part of a split."""

    part: str
    share: int
    """Thousandths that were asked for."""
    records: int
    subjects: int


@dataclass(frozen=True, slots=True)
class SplitLine:
    """One split of the version."""

    name: str
    parts: tuple[PartLine, ...]


@dataclass(frozen=True, slots=True)
class LabelLine:
    """One question that records were labelled with."""

    schema: str
    records: int


@dataclass(frozen=True, slots=True)
class Permitted:
    """What the page may offer; each is asked again when it is done."""

    read: bool
    add: bool
    label: bool
    trace: bool
    audit: bool
    retract: bool
    kept_because: str | None
    """Why it cannot be taken back any more."""


@dataclass(frozen=True, slots=True)
class VersionPage:
    """One version, whole."""

    version: DatasetVersion
    data_class: str
    """How near to a name the data are."""
    newest: int
    tags: tuple[str, ...]
    history: tuple[VersionLine, ...]
    kinds: tuple[KindLine, ...]
    labels: tuple[LabelLine, ...]
    splits: tuple[SplitLine, ...]
    erased: int
    """Subjects whose keys were destroyed."""
    quarantined: int
    runs: int
    checked: str | None
    findings: tuple[FoundLine, ...]
    may: Permitted


@dataclass(frozen=True, slots=True)
class RecordLine:
    """One record; path and labels only where they were asked for and may be read."""

    record: str
    place: int
    kind: str
    size_bytes: int
    subject: str | None
    """None for what belongs to many."""
    erased: bool
    path: str | None = field(default=None, repr=False)
    labels: tuple[tuple[str, str], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class RecordPage:
    """Some records of a version, in ledger order."""

    items: tuple[RecordLine, ...]
    next: int | None
    """The place after which the next page begins."""
    total: int


@dataclass(frozen=True, slots=True)
class Balance:
    """How the labels of one schema are spread."""

    schema: str
    values: tuple[tuple[str, int], ...] = field(repr=False)
    """The most frequent first."""
    others: int
    """Records with a value that is not among them."""
    missing: int
    erased: int


def datasets(lab: Lab) -> tuple[DatasetLine, ...]:
    """All datasets that are seen, by name."""
    lab.act(Action.LIST)
    known = sources(lab) if lab.may(Action.READ) else {}
    folders = {dataset.name: str(path) for path, dataset in known.items()}

    def line(tx: Transaction, name: str) -> DatasetLine:
        found = versions.versions(tx, name)
        newest = found[-1] if found else None
        check = _last_check(tx, newest)
        return DatasetLine(
            name=name,
            latest=newest,
            versions=len(found),
            quarantined=len(records.quarantined(tx, name)),
            unfinished=records.sealed_unseen(tx, name),
            checked=None if check is None else check.time,
            findings=found_lines(check),
            source=folders.get(name),
        )

    return lab.read(
        lambda tx: tuple(line(tx, dataset.name) for dataset in _seen.datasets(lab, tx))
    )


def version(lab: Lab, reference: str) -> VersionPage:
    """One version; raises NotFound for one that is not there or is another project's."""
    lab.act(Action.LIST)
    return lab.read(lambda tx: _version(lab, tx, reference))


def record_page(
    lab: Lab, reference: str, *, after: int = -1, most: int = 100, names: bool = False
) -> RecordPage:
    """Records of a version; with ``names`` their paths and labels, and that is on record.

    Raises NotFound, NotAllowed for names that the actor may not read.
    """
    act = lab.act(Action.READ if names else Action.LIST)

    def query(tx: Transaction) -> tuple[DatasetVersion, list[Record], frozenset[str]]:
        found = _seen.version(lab, tx, reference, Action.READ if names else Action.LIST)
        page = records.page(tx, found.dataset, found.number, after, most + 1)
        return found, page, subjects.erased(tx)

    found, page, gone = lab.read(query)
    more, page = len(page) > most, page[:most]
    shown: Mapping[str, RecordLine] = {}
    if names and page:
        operation = act.begin_read("list", dataset=found.dataset, number=found.number)
        shown = _named(lab, found, page)
        act.record([act.end_read(operation, len(shown), 0)])
    return RecordPage(
        items=tuple(shown.get(one.record) or _line(one, gone) for one in page),
        next=page[-1].place if more else None,
        total=found.records,
    )


def balance(lab: Lab, reference: str) -> tuple[Balance, ...]:
    """How labels are spread, for each schema: reads every label, which is on record."""
    act = lab.act(Action.READ)

    def query(
        tx: Transaction,
    ) -> tuple[DatasetVersion, list[Record], dict[str, list[rows.Label]]]:
        found = _seen.version(lab, tx, reference, Action.READ)
        members = records.of_version(tx, found.dataset, found.number)
        return found, members, rows.in_force(tx, found.dataset, found.place)

    found, members, labels = lab.read(query)
    operation = act.begin_read("balance", dataset=found.dataset, number=found.number)
    keys = open_keys(lab, [one.key for one in members if one.record in labels])
    counts: dict[str, Counter[str]] = {}
    lost: Counter[str] = Counter()
    read = 0
    for one in members:
        for label in labels.get(one.record, ()):
            key = keys.get(one.seal)
            if key is None:
                lost[label.schema] += 1
                continue
            read += 1
            counts.setdefault(label.schema, Counter())[unseal_label(label, key)] += 1
    act.record([act.end_read(operation, read, 0)])
    whole = sum(one.kind != Kind.LAYOUT for one in members)
    return tuple(
        _spread(schema, counts.get(schema, Counter()), lost[schema], whole)
        for schema in sorted({*counts, *lost})
    )


def found_lines(check: Check | None) -> tuple[FoundLine, ...]:
    """The findings of a check, the gravest first."""
    if check is None:
        return ()
    order = {"error": 0, "warning": 1, "note": 2}
    lines = [
        FoundLine(
            one.code,
            one.severity,
            one.count,
            KINDS[one.code].title if one.code in KINDS else one.code,
            KINDS[one.code].advice if one.code in KINDS else "",
        )
        for one in check.findings
    ]
    return tuple(sorted(lines, key=lambda one: (order.get(one.severity, 3), one.code)))


def _version(lab: Lab, tx: Transaction, reference: str) -> VersionPage:
    found = _seen.version(lab, tx, reference)
    name, number = found.dataset, found.number
    tags, past = versions.tags(tx, name), versions.versions(tx, name)
    gone, dealt = subjects.erased(tx), splits.of_dataset(tx, name)
    # A hundred thousand subjects are gone through only where somebody asked about them.
    held = records.owners(tx, name, number) if gone or dealt else []
    check = _last_check(tx, found)
    sees = _seen.seeing(lab, tx, _seen.RUN)
    return VersionPage(
        version=found,
        data_class=classes.of_dataset(tx, name).value,
        newest=past[-1].number,
        tags=tuple(tags.get(number, ())),
        history=tuple(
            VersionLine(one, tuple(tags.get(one.number, ()))) for one in reversed(past)
        ),
        kinds=tuple(KindLine(*one) for one in records.kinds(tx, name, number)),
        labels=tuple(LabelLine(*one) for one in rows.schemas(tx, name, number, found.place)),
        splits=tuple(_split(tx, split, held) for split, _ in dealt),
        erased=sum(subject in gone for subject, _ in held),
        quarantined=len(records.quarantined(tx, name)),
        runs=sum(sees(run.run) for run in history.given(tx, name, number)),
        checked=None if check is None else check.time,
        findings=found_lines(check),
        may=_permitted(lab, tx, found),
    )


def _permitted(lab: Lab, tx: Transaction, found: DatasetVersion) -> Permitted:
    name = found.dataset
    on = Resource(_seen.DATASET, name, projects.of_object(tx, _seen.DATASET, name))
    why = retract.too_late(lab, tx, found)
    return Permitted(
        read=lab.may(Action.READ, on),
        add=lab.may(Action.ADD, on),
        label=lab.may(Action.LABEL, on),
        trace=lab.may(Action.TRACE),
        audit=lab.may(Action.AUDIT),
        retract=why is None and lab.may(Action.ADD, on),
        kept_because=why,
    )


def _last_check(tx: Transaction, found: DatasetVersion | None) -> Check | None:
    checks = checked.of_version(tx, found.dataset, found.number) if found else []
    return checks[-1] if checks else None


def _split(tx: Transaction, split: Split, held: Sequence[tuple[str, int]]) -> SplitLine:
    linked, part_of = subjects.ever_linked(tx), split.dealer()
    counts = dict.fromkeys((part for part, _ in split.parts), 0)
    patients, met = dict(counts), set[str]()
    for subject, number in held:  # a hundred thousand of them: each a step and a hash
        patient: str = subject
        if subject in linked:
            patient = min(subjects.closure(tx, SubjectId(subject)))
        part = part_of(patient)
        counts[part] += number
        if patient not in met:
            patients[part] += 1
        if subject in linked:
            met.add(patient)
    return SplitLine(
        split.name,
        tuple(
            PartLine(part, share, counts[part], patients[part]) for part, share in split.parts
        ),
    )


def _line(one: Record, gone: frozenset[str]) -> RecordLine:
    subject = one.subject if isinstance(one.subject, SubjectId) else None
    return RecordLine(
        one.record, one.place, one.kind, one.size_bytes, subject, one.subject in gone
    )


def _named(lab: Lab, found: DatasetVersion, page: Sequence[Record]) -> Mapping[str, RecordLine]:
    def query(tx: Transaction) -> dict[str, list[rows.Label]]:
        return rows.in_force_of(tx, [one.record for one in page], found.place)

    labels = lab.read(query)
    shown: dict[str, RecordLine] = {}
    for one in unsealed(lab, page):
        record = one.record
        said = tuple(
            (label.schema, unseal_label(label, one.key))
            for label in labels.get(record.record, ())
        )
        line = _line(record, frozenset())
        shown[record.record] = RecordLine(
            record=line.record,
            place=line.place,
            kind=line.kind,
            size_bytes=line.size_bytes,
            subject=line.subject,
            erased=False,
            path=one.meta.path.encode("utf-8", "backslashreplace").decode(),
            labels=said,
        )
    return shown


def _spread(schema: str, values: Counter[str], lost: int, members: int) -> Balance:
    most = values.most_common(_MOST_VALUES)
    others = values.total() - sum(count for _, count in most)
    return Balance(schema, tuple(most), others, max(0, members - values.total() - lost), lost)
