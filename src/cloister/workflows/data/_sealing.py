"""From items to records: grant, seal, place, record; a batch at a time, bytes before rows.

The key service grants for one batch while the batch before is sealed and recorded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import NamedTuple

from cloister.biobank import Item, Kind
from cloister.core.commitment import SALT_BYTES, Opening
from cloister.core.errors import FileChanged
from cloister.core.ids import BatchId, KeyId, RecordId, SubjectId
from cloister.core.subjects import Identity
from cloister.core.values import KeyGrant, KeyRef
from cloister.datasets import meta, records
from cloister.datasets.versions import Dataset
from cloister.keys.seal import seal, seal_field, seal_stream
from cloister.keys.values import Fingerprint, Grant, GrantRequest
from cloister.store import HashedStream, ObjectWriter
from cloister.workflows.lab import Act

Place = tuple[str, str, str, int]
"""Where a record stands in a dataset: path, kind, subject, part of a quarantined table."""


class Known(NamedTuple):
    """A record that is there already."""

    record: RecordId
    sha256: bytes | None
    part: int | None


class Owned(NamedTuple):
    """An item and the key it will be sealed under."""

    item: Item
    owner: KeyId | None
    """None until an item without a subject gets a provisional key of its own."""
    sha256: bytes | None
    """Of the plaintext, where it is at hand."""

    @property
    def place(self) -> Place:
        """Where it stands in the dataset."""
        item = self.item
        part = item.part or 0 if item.quarantine else 0
        return (item.path, item.kind, "" if item.quarantine else self.owner or "", part)


@dataclass(slots=True)
class Tally:
    """What an add has done so far."""

    added: int = 0
    seen: set[Place] = field(default_factory=set)
    superseded: list[RecordId] = field(default_factory=list)
    quarantined: dict[str, int] = field(default_factory=dict)
    unchanged: int = 0
    entries: int = 0
    size_bytes: int = 0


@dataclass(slots=True)
class Sealing:
    """One add in progress on one dataset."""

    act: Act
    dataset: Dataset
    batch: BatchId
    writer: ObjectWriter
    known: Mapping[Place, Known]
    beside: Executor
    """One thread that asks the key service, in the order it is told to."""
    tally: Tally = field(default_factory=Tally)
    _taken: _Taken | None = field(default=None, init=False)
    _before: Mapping[_Plain, _Sealed] = field(default_factory=dict, init=False)
    """Objects of the batch before: the key service may not remember them yet."""
    _remembering: Future[None] | None = field(default=None, init=False)

    def take(self, items: Sequence[Item]) -> None:
        """Asks for the keys of these items; seals and records those taken before."""
        fresh = self._own(list(self._unknown(self._attribute(items))))
        requests = [GrantRequest(owned.owner, owned.sha256) for owned in fresh if owned.owner]
        taken = _Taken(fresh, self.beside.submit(self.act.lab.keys.grants, requests))
        self._finish()
        self._taken = taken

    def end(self) -> None:
        """Seals and records the last items; all is durable when it returns."""
        self._finish()
        if self._remembering:
            self._remembering.result()

    def _finish(self) -> None:
        if self._taken is None:
            return
        taken, self._taken = self._taken, None
        drafts: list[_Draft] = []
        here: dict[_Plain, _Sealed] = {}
        for owned, grant in zip(taken.fresh, taken.grants.result(), strict=True):
            sealed = self._twin(owned, grant, here) or self._seal(owned, grant.key)
            if owned.sha256 and sealed.object:
                here[grant.key.owner, owned.sha256] = sealed
            drafts.append(_Draft(owned, sealed))
        self._before = here
        self._write(drafts, self._reopen(drafts))

    def _attribute(self, items: Sequence[Item]) -> Iterator[Owned]:
        """Each item with its owner: its subject, or the collection for a table's layout."""
        names = sorted({item.subject for item in items if item.subject is not None})
        pairs = [(name.issuer, name.local_id) for name in names]
        found = self.act.lab.keys.subjects(pairs, create=True) if pairs else []
        subjects: dict[Identity | None, SubjectId | None] = dict(zip(names, found, strict=True))
        for item in items:
            layout = item.kind is Kind.LAYOUT
            owner = self.dataset.collection if layout else subjects.get(item.subject)
            content = item.content
            digest = None if content is None else hashlib.sha256(content).digest()
            yield Owned(item, owner, digest)

    def _unknown(self, owned: Iterable[Owned]) -> Iterator[Owned]:
        """Those whose bytes are not in the dataset yet."""
        tally = self.tally
        for one in owned:
            item = one.item
            place = one.place
            tally.entries += 1
            tally.seen.add(place)
            if item.quarantine:
                code = item.quarantine.value
                tally.quarantined[code] = tally.quarantined.get(code, 0) + 1
            known = self.known.get(place)
            if known and known.part == item.part and known.sha256 == _digest(one):
                tally.unchanged += 1
                continue
            if known:
                tally.superseded.append(known.record)
            yield one

    def _own(self, fresh: Sequence[Owned]) -> list[Owned]:
        """Gives what has no subject a provisional key each, never a shared one."""
        keys = self.act.lab.keys
        return [
            one if one.owner else Owned(one.item, keys.new_owner(SubjectId), one.sha256)
            for one in fresh
        ]

    def _seal(self, owned: Owned, grant: KeyGrant) -> _Sealed:
        item, key = owned.item, KeyRef(grant.owner, grant.seal_id, grant.wrap)
        if not item.kept:
            return _Sealed(None, key, grant.object_key, None, 0)
        if item.content is not None:
            name = self.writer.add(seal(item.content, grant))
            return _Sealed(name, key, grant.object_key, owned.sha256, len(item.content))
        with HashedStream(item.chunks()) as plain:
            name = self.writer.add_stream(seal_stream(plain, grant), item.size_bytes)
        return _Sealed(name, key, grant.object_key, plain.digest(), plain.size_bytes)

    def _twin(
        self, owned: Owned, grant: Grant, here: Mapping[_Plain, _Sealed]
    ) -> _Sealed | None:
        """The object that holds the same bytes of the same subject already."""
        if owned.sha256 is None:
            return None
        plain, name = (grant.key.owner, owned.sha256), grant.duplicate_of
        if (found := here.get(plain) or self._before.get(plain)) or name is None:
            return found
        twin = self.act.lab.read(lambda tx: records.by_object(tx, name))
        if twin is None:  # its add was killed between remembering and recording
            return None
        return _Sealed(name, twin.key, None, owned.sha256, twin.size_bytes)

    def _reopen(self, drafts: Sequence[_Draft]) -> dict[bytes, bytes]:
        """Seal id -> object key of the objects that were there before."""
        known = {d.sealed.key.seal_id: d.sealed.key for d in drafts if not d.sealed.open}
        refs = list(known.values())
        keys = self.act.lab.keys.open(refs) if refs else []
        return {r.seal_id: key for r, key in zip(refs, keys, strict=True) if key is not None}

    def _write(self, drafts: Sequence[_Draft], reopened: Mapping[bytes, bytes]) -> None:
        """Bytes, then keys, then rows and events; only then is anything acknowledged."""
        lab = self.act.lab
        placements = self.writer.flush()
        new: list[records.NewRecord] = []
        for draft in drafts:
            key = draft.sealed.open or reopened[draft.sealed.key.seal_id]
            new.append(self._record(draft, key))
        events = self.act.events("record.added", [record.body() for record in new])
        if events:
            self.act.record(events, placements)
        if self._remembering:
            self._remembering.result()
        fingerprints = [
            Fingerprint(d.sealed.key.owner, d.sealed.sha256, d.sealed.object)
            for d in drafts
            if d.sealed.object and d.sealed.sha256 and d.sealed.open
        ]
        self._remembering = self.beside.submit(lab.keys.remember, fingerprints)
        self.tally.added += sum(record.quarantine is None for record in new)
        self.tally.size_bytes += sum(record.size_bytes for record in new)

    def _record(self, draft: _Draft, object_key: bytes) -> records.NewRecord:
        item, sealed = draft.owned.item, draft.sealed
        randomness = self.act.lab.randomness
        record = RecordId.new(randomness)
        opening = Opening(randomness(SALT_BYTES), sealed.sha256) if sealed.sha256 else None
        plain = meta.RecordMeta(
            item.path, opening, item.mode, item.mtime_ns, item.part, item.facts
        )
        return records.NewRecord(
            record=record,
            batch=self.batch,
            dataset=self.dataset.name,
            kind=item.kind.value,
            object=sealed.object,
            size_bytes=sealed.size_bytes,
            key=sealed.key,
            meta=seal_field(object_key, meta.PURPOSE, plain.encode(), record.encode()),
            commitment=opening.commitment() if opening else None,
            quarantine=item.quarantine.value if item.quarantine else None,
        )


@dataclass(frozen=True, slots=True)
class _Sealed:
    """Bytes in the store, or none where nothing could be read."""

    object: str | None
    key: KeyRef
    open: bytes | None = field(repr=False)
    """The object key, when it was granted just now."""
    sha256: bytes | None
    size_bytes: int


class _Draft(NamedTuple):
    owned: Owned
    sealed: _Sealed


@dataclass(frozen=True, slots=True)
class _Taken:
    """A batch whose keys have been asked for."""

    fresh: Sequence[Owned]
    grants: Future[list[Grant]]


_Plain = tuple[KeyId, bytes]
"""Whose, and the SHA-256 of the plaintext."""


def _digest(owned: Owned) -> bytes | None:
    """SHA-256 of the item's bytes, read through if they are too many to be at hand."""
    if owned.sha256 is not None or not owned.item.kept:
        return owned.sha256
    found = hashlib.sha256()
    try:
        for chunk in owned.item.chunks():
            found.update(chunk)
    except FileChanged:
        return None
    return found.digest()
