"""Owners' keys in use: what can be asked while the vault is open."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Mapping, Sequence

from cloister.core.errors import BadInput, Erased, KeyMissing
from cloister.core.ids import CollectionId, KeyId, RunId, SubjectId
from cloister.core.values import KeyGrant, KeyRef
from cloister.keys._secret import fresh, wipe
from cloister.keys.service.cache import KeyCache
from cloister.keys.service.keystore import KeyStore, OwnerRow
from cloister.keys.service.recognition import Recognition
from cloister.keys.service.rows import KEY_SIZE, EpochSealer, Identity, OwnerKey, Secret
from cloister.keys.values import Fingerprint, Grant, GrantRequest

SERVICE_OWNER = "key_service"
"""Owns the lab's own keys; no request can name it."""

_KINDS: Mapping[str, type[KeyId]] = {
    kind.prefix: kind for kind in (SubjectId, CollectionId, RunId)
}
_MOST_OWNERS = 1024
_RANDOM = 32 + 16 + 12  # object key, seal id, nonce


class Keyring:
    """The rows of one epoch and the keys in them; called only under the vault's lock."""

    def __init__(self, store: KeyStore, sealer: EpochSealer, cache: KeyCache) -> None:
        self.store = store
        self.sealer = sealer
        self._cache = cache
        self._recognition = Recognition()

    def subjects(self, identities: Sequence[Identity], create: bool) -> list[str | None]:
        """The subject of each identity; new ones are durable on return."""
        macs = [self.sealer.mac(identity) for identity in identities]
        found = self.store.owners_by_mac(macs)
        if create:
            new = {
                mac: identity
                for mac, identity in zip(macs, identities, strict=True)
                if mac not in found
            }
            found |= self._add_subjects(new)
        return [found.get(mac) for mac in macs]

    def identities(self, owners: Sequence[KeyId]) -> list[Identity | None]:
        """Who each subject is; None where that was erased or never known."""
        return [self._identity(row) for row in self._rows(owners)]

    def recognise(self, words: Sequence[str]) -> list[list[str]]:
        """The subjects whose local id a word is; no id leaves this process."""
        return self._recognition.of(words, self.store, self.sealer)

    def forget_identities(self) -> None:
        """Drops what `recognise` keeps in memory."""
        self._recognition.forget()

    def new_owner(self, kind: str) -> str:
        """A fresh key of this kind, durable on return."""
        if kind not in _KINDS:
            raise BadInput("new owner: expected sub, run or col")
        name = _KINDS[kind].new(secrets.token_bytes)
        with self.store.transaction():
            self.add(name)
        return name

    def new_owners(self, kind: str, count: int) -> list[str]:
        """As many fresh keys of this kind, durable together on return."""
        if kind not in _KINDS or not 0 < count <= _MOST_OWNERS:
            raise BadInput(f"new owners: expected sub, run or col, and 1 to {_MOST_OWNERS}")
        names = [str(_KINDS[kind].new(secrets.token_bytes)) for _ in range(count)]
        with self.store.transaction():
            self.store.add_owners([self._fresh_row(name, None, None) for name in names])
        return names

    def add(self, name: str) -> None:
        """A fresh key under this name, inside the caller's transaction."""
        self.store.add_owners([self._fresh_row(name, None, None)])

    def grants(self, requests: Sequence[GrantRequest]) -> list[Grant]:
        """A fresh object key for each; raises Erased, KeyMissing."""
        keys = self._live(request.owner for request in requests)
        duplicates = self._duplicates(requests, keys)
        random = os.urandom(_RANDOM * len(requests))
        granted = []
        for index, (request, duplicate) in enumerate(zip(requests, duplicates, strict=True)):
            part = random[index * _RANDOM : (index + 1) * _RANDOM]
            object_key, seal_id, nonce = part[:32], part[32:48], part[48:]
            wrap = keys[request.owner].wrap(object_key, seal_id, nonce)
            key = KeyGrant(request.owner, seal_id, object_key, wrap)
            granted.append(Grant(key, duplicate))
        return granted

    def remember(self, fingerprints: Sequence[Fingerprint]) -> None:
        """Keeps keyed fingerprints; they survive a kill; a power failure costs duplicates."""
        keys = self._live(entry.owner for entry in fingerprints)
        rows = [
            (entry.owner, keys[entry.owner].fingerprint(entry.sha256), entry.name)
            for entry in fingerprints
        ]
        with self.store.transaction(durable=False, vital=False):
            self.store.add_fingerprints(rows)

    def open(self, refs: Sequence[KeyRef]) -> list[bytes | None]:
        """Object keys; None where the owner was erased. Raises Tampered, KeyMissing."""
        keys = self._keys(ref.owner for ref in refs)
        opened: list[bytes | None] = []
        for ref in refs:
            key = keys[ref.owner]
            opened.append(None if key is None else key.unwrap(ref))
        return opened

    def rewrap(self, refs: Sequence[KeyRef], owner: KeyId) -> list[bytes]:
        """The same object keys wrapped under another owner; raises Erased, Tampered."""
        keys = self._live([owner, *(ref.owner for ref in refs)])
        return [
            keys[owner].wrap(keys[ref.owner].unwrap(ref), ref.seal_id, os.urandom(12))
            for ref in refs
        ]

    def service_key(self) -> OwnerKey:
        """What the lab's own keys are sealed under."""
        return self._live([SERVICE_OWNER])[SERVICE_OWNER]

    def _duplicates(
        self, requests: Sequence[GrantRequest], keys: Mapping[str, OwnerKey]
    ) -> list[str | None]:
        """For each request the object of the same owner that holds the same plaintext."""
        marks = [
            None
            if request.fingerprint_of is None
            else (request.owner, keys[request.owner].fingerprint(request.fingerprint_of))
            for request in requests
        ]
        found = self.store.fingerprints([mark for mark in marks if mark is not None])
        return [None if mark is None else found.get(mark) for mark in marks]

    def _live(self, owners: Iterable[str]) -> dict[str, OwnerKey]:
        live = {}
        for owner, key in self._keys(owners).items():
            if key is None:
                raise Erased(f"the key of {owner} was destroyed")
            live[owner] = key
        return live

    def _keys(self, owners: Iterable[str]) -> dict[str, OwnerKey | None]:
        """Each owner's key, from the cache or its row; None once it was destroyed."""
        wanted = list(dict.fromkeys(owners))
        self._cache.make_room(len(wanted))
        keys: dict[str, OwnerKey | None] = {owner: self._cache.get(owner) for owner in wanted}
        missing = [owner for owner, key in keys.items() if key is None]
        for row in self._rows(missing):
            if row.sealed is not None:
                keys[row.id] = self._unsealed(row.id, row.sealed)
        return keys

    def _unsealed(self, owner: str, sealed: bytes) -> OwnerKey:
        secret = self.sealer.open(owner, sealed)
        key = OwnerKey(owner, secret.key)
        wipe(secret.key)
        self._cache.put(owner, key)
        return key

    def _rows(self, owners: Sequence[str]) -> list[OwnerRow]:
        found = self.store.owners(owners)
        for owner in owners:
            if owner not in found:
                raise KeyMissing(
                    f"the key service knows no {owner}",
                    hint="the key store may be older than the lab: restore its latest copy",
                )
        return [found[owner] for owner in owners]

    def _identity(self, row: OwnerRow) -> Identity | None:
        if row.sealed is None:
            return None
        secret = self.sealer.open(row.id, row.sealed)
        wipe(secret.key)
        return secret.identity

    def _add_subjects(self, new: Mapping[bytes, Identity]) -> dict[bytes, str]:
        names: dict[bytes, str] = {mac: SubjectId.new(secrets.token_bytes) for mac in new}
        if names:
            with self.store.transaction():
                self.store.add_owners(
                    self._fresh_row(name, new[mac], mac) for mac, name in names.items()
                )
        return names

    def _fresh_row(self, name: str, identity: Identity | None, mac: bytes | None) -> OwnerRow:
        secret = Secret(fresh(KEY_SIZE), identity)
        row = OwnerRow(name, self.sealer.seal(name, secret), mac)
        wipe(secret.key)
        return row
