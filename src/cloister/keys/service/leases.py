"""Who may ask for what, and until when."""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cloister.core.clock import Clock
from cloister.core.errors import BadInput, NotAllowed
from cloister.core.ids import KeyId
from cloister.keys.values import ALL_VERBS, Lease

_PURPOSE = re.compile(r"[a-z0-9][a-z0-9 ._:/-]{0,79}")
_LONGEST_S = 30 * 24 * 3600
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Held:
    """A lease as the book keeps it: no token, only its hash."""

    lease: Lease
    until_s: float | None
    parent: bytes | None


class LeaseBook:
    """Leases in force; they live in memory only and die with the process or a lock."""

    def __init__(self, clock: Clock, generation: Callable[[], int]) -> None:
        self._clock = clock
        self._generation = generation
        self._lock = threading.Lock()
        self._held: dict[bytes, Held] = {}

    def owner_lease(self) -> Lease:
        """The widest lease: for whoever proved the passphrase."""
        with self._lock:
            return self._add("owner", ALL_VERBS, None, None, None)

    def narrow(
        self,
        parent: Lease,
        purpose: str,
        verbs: Iterable[str],
        owners: Iterable[KeyId] | None,
        lifetime_s: int,
    ) -> Lease:
        """A lease within ``parent``; raises BadInput, NotAllowed for what would be wider."""
        wanted, named = frozenset(verbs), None if owners is None else frozenset(owners)
        if not _PURPOSE.fullmatch(purpose):
            raise BadInput("lease: a purpose is 1 to 80 of a-z 0-9 space . _ : / -")
        if not wanted <= ALL_VERBS or not 1 <= lifetime_s <= _LONGEST_S:
            raise BadInput(f"lease: unknown verb, or a lifetime beyond {_LONGEST_S} s")
        if not wanted <= parent.verbs or not _within(named, parent.owners):
            raise NotAllowed("a lease cannot be wider than the one it is made from")
        with self._lock:
            key = _hash(parent.token)
            limit = self._held[key].until_s if key in self._held else 0.0
            until = self._clock.monotonic_s() + lifetime_s
            if limit is not None and until > limit:
                raise NotAllowed("a lease cannot outlive the one it is made from")
            return self._add(purpose, wanted, named, lifetime_s, key, until)

    def find(self, token: bytes) -> Lease:
        """The lease of this token; raises NotAllowed if there is none, or it has expired."""
        with self._lock:
            held = self._held.get(_hash(token))
            if held is None:
                raise NotAllowed(
                    "the key service knows no such lease",
                    hint="leases end when it locks or stops: unlock again",
                )
            if held.until_s is not None and held.until_s <= self._clock.monotonic_s():
                self._remove(_hash(token))
                raise NotAllowed(f"the lease for {held.lease.purpose} has expired")
            return held.lease

    def revoke(self, by: Lease, token: bytes) -> None:
        """Ends a lease made from ``by``, or ``by`` itself, and all made from it."""
        with self._lock:
            key: bytes | None = _hash(token)
            while key is not None and key != _hash(by.token):
                held = self._held.get(key)
                key = None if held is None else held.parent
            if key is None:
                raise NotAllowed("a lease can be revoked by itself or what it was made from")
            self._remove(_hash(token))

    def clear(self) -> None:
        """Ends every lease."""
        with self._lock:
            self._held.clear()

    def drop_expired(self) -> None:
        """Forgets those that have run out."""
        with self._lock:
            now = self._clock.monotonic_s()
            for key, held in list(self._held.items()):
                if held.until_s is not None and held.until_s <= now:
                    self._remove(key)

    def _add(
        self,
        purpose: str,
        verbs: frozenset[str],
        owners: frozenset[KeyId] | None,
        lifetime_s: int | None,
        parent: bytes | None,
        until_s: float | None = None,
    ) -> Lease:
        if len(self._held) >= _MOST:
            raise NotAllowed(f"{_MOST} leases are in force: revoke some")
        token = secrets.token_bytes(32)
        lease = Lease(token, purpose, verbs, owners, lifetime_s, self._generation())
        self._held[_hash(token)] = Held(lease, until_s, parent)
        return lease

    def _remove(self, key: bytes) -> None:
        self._held.pop(key, None)
        for child, held in list(self._held.items()):
            if held.parent == key:
                self._remove(child)


def permit(lease: Lease, verb: str, owners: Iterable[KeyId] | None) -> None:
    """Returns if the lease allows the verb for these owners (None: any); else NotAllowed."""
    if verb not in lease.verbs:
        raise NotAllowed(f"the lease for {lease.purpose} does not permit {verb}")
    named = None if owners is None else frozenset(owners)
    if not _within(named, lease.owners):
        raise NotAllowed(f"the lease for {lease.purpose} does not cover every owner asked for")


def _within(inner: frozenset[KeyId] | None, outer: frozenset[KeyId] | None) -> bool:
    if outer is None:
        return True
    return inner is not None and inner <= outer


def _hash(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
