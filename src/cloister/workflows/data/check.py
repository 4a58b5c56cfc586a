"""Check: is a version sound? Findings on record, their list and report sealed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from cloister.biobank import Kind
from cloister.checks import KINDS, Finding, Material, distinct_tokens, inspect
from cloister.checks.looking import Asked, Looker
from cloister.checks.report import Page, Shown, page
from cloister.core.canonical import canonical
from cloister.core.errors import Conflict, NotFound
from cloister.core.events import Transaction
from cloister.core.ids import CollectionId, SubjectId
from cloister.core.progress import Progress, silent
from cloister.core.values import KeyGrant, KeyRef, ObjectRef
from cloister.datasets import checked
from cloister.datasets.checked import Found
from cloister.datasets.versions import DatasetVersion
from cloister.identity import subjects
from cloister.keys.seal import seal
from cloister.keys.values import GrantRequest
from cloister.policy import Action
from cloister.workflows import _seen
from cloister.workflows.data._examining import examine
from cloister.workflows.data._gathering import material, standing
from cloister.workflows.data.materialise import plaintexts
from cloister.workflows.lab import Act, Lab
from cloister.workflows.unseal import Unsealed, unsealed

_SAMPLE = 50
"""Images in which an add looks for text: a few seconds' work."""
_MOST_SHOWN = 120
"""Thumbnails in a report."""


class Reading(StrEnum):
    """In how many images burned-in text is looked for; a second holds six of them."""

    NONE = "none"
    SAMPLE = "sample"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """Which version, and how thoroughly."""

    reference: str
    reading: Reading = Reading.SAMPLE
    label_problems: Mapping[str, int] = field(default_factory=dict)
    """Lines of labels that fitted nothing, when they were added just now."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found."""

    version: DatasetVersion
    findings: tuple[Finding, ...]
    records: int
    looked: int
    """Records looked into for the first time."""
    erased: int
    text_read: bool
    """Whether there is a program that reads burned-in text."""
    report: bytes = field(repr=False)
    """The page, in plain."""
    place: int
    """Where the ledger records it."""


def check(lab: Lab, request: CheckRequest, progress: Progress = silent) -> Checked:
    """Checks a version; what was found is on record when this returns.

    Records are looked into once, in a process of their own; their facts are sealed under
    their subjects' keys and die with them. Raises NotFound, and Conflict when somebody the
    list names is erased meanwhile: nothing of it is then kept.
    """
    act = lab.act(Action.READ)
    version = lab.read(lambda tx: _seen.version(lab, tx, request.reference, Action.READ))
    operation = act.begin_read("check", dataset=version.dataset, number=version.number)
    found = lab.read(lambda tx: standing(tx, version))
    given = list(unsealed(lab, found.members))
    reading = _reading(request.reading, given)
    facts, looked = examine(act, given, found.examined, reading, progress)
    matter = material(lab, found, given, facts, request.label_problems)
    matter = replace(matter, known=_known(lab, matter))
    findings = inspect(matter, progress)
    shown = _shown(lab, matter, findings, given)
    report = page(Page(str(version), version.root, version.time, findings, matter, shown))
    owners: dict[str, str] = {r.record: r.subject for r in (*found.members, *found.aside)}
    named = _named(findings, owners)
    place = _record(act, version, findings, report, named)
    act.record([act.end_read(operation, len(given), looked.size_bytes)])
    return Checked(
        version=version,
        findings=findings,
        records=len(given),
        looked=looked.records,
        erased=len(found.members) - len(given),
        text_read=_tesseract() is not None,
        report=report,
        place=place,
    )


def only_dataset(lab: Lab) -> str:
    """The name of the lab's one dataset; raises NotFound when there are none or several."""
    names = [dataset.name for dataset in lab.read(lambda tx: _seen.datasets(lab, tx))]
    if len(names) != 1:
        listed = ", ".join(names) or "none yet"
        raise NotFound("which dataset?", hint=f"datasets here: {listed}")
    return names[0]


def handed_out(lab: Lab, done: Checked) -> None:
    """Records that the page of a check is about to leave the lab in plain."""
    act, version = lab.act(Action.READ), done.version
    operation = act.begin_read("report", dataset=version.dataset, number=version.number)
    act.record([act.end_read(operation, 0, len(done.report))])


def _tesseract() -> str | None:
    return shutil.which("tesseract")


def _reading(reading: Reading, given: Sequence[Unsealed]) -> Mapping[str, str | None]:
    """Records in which text is looked for, spread evenly, and the program for it."""
    program = _tesseract()
    if reading is Reading.NONE or program is None:
        return {}
    names = [one[0].record for one in given if one[0].kind in {Kind.DICOM, Kind.FILE}]
    step = 1 if reading is Reading.ALL else max(1, -(-len(names) // _SAMPLE))
    return dict.fromkeys(names[::step], program)


def _known(lab: Lab, matter: Material) -> Mapping[str, tuple[SubjectId, ...]]:
    """The words that are ids of the lab's own subjects; which they are stays in the service."""
    words = list(distinct_tokens(matter))
    found = lab.keys.recognise(words) if words else []
    return {word: names for word, names in zip(words, found, strict=True) if names}


def _shown(
    lab: Lab, matter: Material, findings: Sequence[Finding], given: Sequence[Unsealed]
) -> Sequence[Shown]:
    """Small pictures of what was found, a few of each kind."""
    images = {one.record for one in matter.images}
    chosen: dict[str, None] = {}
    each = max(4, _MOST_SHOWN // max(1, len(findings)))
    for one in findings:
        chosen.update(dict.fromkeys([r for r in one.records if r in images][:each]))
    wanted = [one for one in given if one[0].record in list(chosen)[:_MOST_SHOWN]]
    shown: list[Shown] = []
    with Looker() as looker:
        for record, plain, chunks in plaintexts(lab, wanted):
            content = b"".join(chunks)
            png = looker.thumbnail(Asked(record.record, record.kind, plain.path, content))
            if png is not None:
                shown.append(Shown(record.record, png))
    return shown


def _record(
    act: Act,
    version: DatasetVersion,
    findings: Sequence[Finding],
    report: bytes,
    named: Sequence[str],
) -> int:
    """Seals list and report under a key of their own; gives the place of the event."""
    lab = act.lab
    collection = lab.keys.new_owner(CollectionId)
    grants = lab.keys.grants([GrantRequest(collection)] * 2)
    with lab.store.writer("derived") as writer:
        sealed = {
            what: _kept(writer.add, content, grant.key)
            for what, content, grant in zip(
                ("list", "report"), (listed(version, findings), report), grants, strict=True
            )
        }
        placements = writer.flush()
    body = checked.body((version.dataset, version.number), _counted(findings), sealed, named)

    def write(tx: Transaction) -> int:
        # Decided with the event in one transaction: an erasure finds this key, or stops it.
        if not subjects.erased(tx).isdisjoint(named):
            raise Conflict(
                "a patient was erased while their data were checked", hint="check again"
            )
        lab.store.place(tx, placements)
        return lab.ledger.append(tx, [act.event("version.checked", body)])[0].index

    return lab.database.write(write)


def _kept(add: Callable[[bytes], str], content: bytes, grant: KeyGrant) -> ObjectRef:
    sealed = seal(content, grant)
    key = KeyRef(grant.owner, grant.seal_id, grant.wrap)
    return ObjectRef(add(sealed), len(sealed), key)


def _named(findings: Sequence[Finding], owners: Mapping[str, str]) -> list[str]:
    """Everybody a record of whom stands in the list or is shown in the report."""
    found = {owners[record] for one in findings for record in one.records if record in owners}
    return sorted(name for name in found if name.startswith(f"{SubjectId.prefix}_"))


def _counted(findings: Sequence[Finding]) -> list[Found]:
    """What the ledger keeps in plain: one line a code."""
    counts: dict[str, int] = {}
    for one in findings:
        counts[one.code] = counts.get(one.code, 0) + one.count
    return [
        Found(code, KINDS[code].severity.word, count) for code, count in sorted(counts.items())
    ]


def listed(version: DatasetVersion, findings: Sequence[Finding]) -> bytes:
    """docs/formats/check-list.md."""
    return canonical(
        {
            "findings": [
                {
                    "code": one.code,
                    "count": one.count,
                    "detail": one.detail,
                    "records": list(one.records),
                    "severity": one.severity.word,
                    "where": one.where.encode("utf-8", "backslashreplace").decode(),
                }
                for one in findings
            ],
            "root": version.root,
            "v": 1,
            "version": str(version),
        }
    )
