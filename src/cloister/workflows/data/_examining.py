"""Records looked into once: facts of their plaintext, sealed with each record's own key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cloister.biobank import Kind
from cloister.checks.looking import Asked, Looker
from cloister.checks.looking.looker import LARGEST_BYTES
from cloister.core.events import Event
from cloister.core.progress import Progress
from cloister.datasets import examined
from cloister.datasets.examined import Examined
from cloister.datasets.records import Record
from cloister.keys.seal import open_field, seal_field
from cloister.workflows.data.materialise import plaintexts
from cloister.workflows.lab import Act
from cloister.workflows.unseal import Unsealed

LOOKER = 1
"""Raise it when new facts are taken: what was looked at before is then looked at again."""
_TOGETHER = 500


@dataclass(slots=True)
class Looked:
    """How much was read."""

    records: int = 0
    size_bytes: int = 0


def examine(
    act: Act,
    opened: Sequence[Unsealed],
    known: Mapping[str, Examined],
    reading: Mapping[str, str | None],
    progress: Progress,
) -> tuple[dict[str, Mapping[str, str]], Looked]:
    """Record -> facts; those not known yet are taken, and on record when this returns.

    ``reading`` names the records in whose images text is to be read, and the program for it.
    """
    facts: dict[str, Mapping[str, str]] = {
        record.record: _unsealed(known[record.record], key)
        for record, _, key in opened
        if record.record in known and known[record.record].looker == LOOKER
    }
    wanted = [one for one in opened if _is_wanted(one[0], facts, reading)]
    looked, events = Looked(), list[Event]()
    keys: dict[str, bytes] = {record.record: key for record, _, key in opened}
    with Looker(next(iter(reading.values()), None)) as looker:
        for asked, found in looker.facts(_asked(act, wanted, reading, looked)):
            facts[asked.record] = found
            sealed = seal_field(
                keys[asked.record],
                examined.PURPOSE,
                examined.encode(found),
                asked.record.encode(),
            )
            body = examined.body(asked.record, LOOKER, sealed)
            events.append(act.event("record.examined", body))
            if len(events) >= _TOGETHER:
                act.record(events)
                events.clear()
            progress("looking", looked.records, len(wanted))
    if events:
        act.record(events)
    return facts, looked


def _is_wanted(
    record: Record, facts: Mapping[str, Mapping[str, str]], reading: Mapping[str, str | None]
) -> bool:
    if record.object is None or record.kind in {Kind.ROWS, Kind.LAYOUT}:
        return False
    known = facts.get(record.record)
    unread = record.record in reading and known is not None and "pixels" in known
    return known is None or (unread and "ocr" not in known)


def _asked(
    act: Act, wanted: Sequence[Unsealed], reading: Mapping[str, str | None], looked: Looked
) -> Iterator[Asked]:
    large = [one for one in wanted if one[0].size_bytes > LARGEST_BYTES]
    for record, plain, _ in large:
        yield Asked(record.record, record.kind, plain.path, b"\0" * (LARGEST_BYTES + 1))
    small = [one for one in wanted if one[0].size_bytes <= LARGEST_BYTES]
    for record, plain, chunks in plaintexts(act.lab, small):
        content = b"".join(chunks)
        looked.records += 1
        looked.size_bytes += len(content)
        yield Asked(record.record, record.kind, plain.path, content, record.record in reading)


def _unsealed(one: Examined, key: bytes) -> Mapping[str, str]:
    return examined.decode(open_field(key, examined.PURPOSE, one.facts, one.record.encode()))
