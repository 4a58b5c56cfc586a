"""What the last check found: counts for all, the sealed list and pictures for who may read."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field

from cloister.checks.looking import Asked, Looker
from cloister.checks.looking.looker import LARGEST_BYTES
from cloister.core.errors import Erased, NotFound
from cloister.core.events import Transaction
from cloister.datasets.checked import Check
from cloister.datasets.versions import DatasetVersion
from cloister.keys.seal import open_sealed
from cloister.policy import Action
from cloister.workflows import _seen
from cloister.workflows.data.kept_check import kept_list, newest
from cloister.workflows.lab import Lab
from cloister.workflows.unseal import open_keys, unseal_meta
from cloister.workflows.views.data import FoundLine, found_lines

_MOST_RECORDS = 200


@dataclass(frozen=True, slots=True)
class Findings:
    """The newest check of a version, as anybody may know it."""

    version: str
    checked: str | None
    """None where it was never checked."""
    findings: tuple[FoundLine, ...]
    readable: bool
    """Whether the list can still be opened, and by this actor."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One finding of the sealed list."""

    code: str
    severity: str
    count: int
    title: str
    advice: str
    where: str = field(repr=False)
    detail: str = field(repr=False)
    records: tuple[str, ...]
    """At most a screenful; ``count`` says how many there are."""


def findings(lab: Lab, reference: str) -> Findings:
    """Code, severity and count of what was found; reads nothing that is sealed."""
    lab.act(Action.LIST)

    def query(tx: Transaction) -> tuple[DatasetVersion, Check | None]:
        version = _seen.version(lab, tx, reference)
        return version, newest(tx, version)

    version, check = lab.read(query)
    may = check is not None and lab.may(Action.READ)
    readable = may and check is not None and bool(open_keys(lab, [check.listed.key]))
    return Findings(
        str(version), None if check is None else check.time, found_lines(check), readable
    )


def listed(lab: Lab, reference: str) -> tuple[Listed, ...]:
    """The sealed list of the newest check, which is on record as read.

    Raises NotFound when the version was never checked, Erased when somebody named in the
    list was erased.
    """
    check, plain = kept_list(lab, reference)
    said = {one.code: one for one in found_lines(check)}
    return tuple(
        Listed(
            code=one["code"],
            severity=one["severity"],
            count=one["count"],
            title=said[one["code"]].title if one["code"] in said else one["code"],
            advice=said[one["code"]].advice if one["code"] in said else "",
            where=one["where"],
            detail=one["detail"],
            records=tuple(one["records"][:_MOST_RECORDS]),
        )
        for one in json.loads(plain)["findings"]
    )


class Pictures:
    """Small pictures of records, one at a time, each a reading that is on record.

    One process decodes for all who look, one record after the other; it is bounded and holds
    no key, and a new one takes its place when a picture ends it. Any thread may ask.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._looker = Looker(seconds=20)

    def thumbnail(self, lab: Lab, record: str) -> bytes:
        """A PNG of at most 128 pixels a side.

        Raises NotFound for a record of which nothing can be shown, Erased.
        """
        act = lab.act(Action.READ)
        found = lab.read(lambda tx: _seen.record(lab, tx, record, Action.READ))
        if found.object is None or found.size_bytes > LARGEST_BYTES:
            raise NotFound(f"{found.record}: there is no picture of it")
        operation = act.begin_read("look", dataset=found.dataset, record=found.record)
        key = open_keys(lab, [found.key]).get(found.seal)
        if key is None:
            act.record([act.end_read(operation, 0, 0)])
            raise Erased(f"{found.record}: the subject's key was destroyed")
        plain = open_sealed(lab.store.read(found.object), key, found.seal)
        path = unseal_meta(found, key).path
        act.record([act.end_read(operation, 1, len(plain))])
        with self._lock:
            png = self._looker.thumbnail(Asked(found.record, found.kind, path, plain))
        if png is None:
            raise NotFound(f"{found.record}: there is no picture of it")
        return png

    def close(self) -> None:
        """Ends the process that decodes."""
        with self._lock:
            self._looker.__exit__(None, None, None)
