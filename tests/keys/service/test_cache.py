"""Unwrapped keys are few and short-lived, and none in use is ever wiped."""

from __future__ import annotations

import secrets

import pytest

from cloister.core.ids import SubjectId
from cloister.core.values import KeyRef
from cloister.keys.service.cache import KEPT_S, KeyCache
from cloister.keys.service.keyring import Keyring
from cloister.keys.service.rows import OwnerKey
from cloister.keys.service.vault import Vault
from cloister.keys.values import GrantRequest
from tests.keys.service.conftest import TurnedClock


def key(owner: str) -> OwnerKey:
    return OwnerKey(owner, bytearray(secrets.token_bytes(32)))


def test_key_is_kept_five_minutes_from_when_it_was_put(clock: TurnedClock) -> None:
    cache, one = KeyCache(clock), key("one")
    cache.put("one", one)
    clock.seconds = KEPT_S - 0.1
    assert cache.get("one") is one
    clock.seconds = KEPT_S
    assert cache.get("one") is None


def test_oldest_keys_make_room(clock: TurnedClock) -> None:
    cache = KeyCache(clock, most=3)
    for name in "abc":
        cache.put(name, key(name))
    cache.make_room(2)
    assert [cache.get(name) is not None for name in "abc"] == [False, False, True]


def test_wiped_key_is_of_no_use_at_all() -> None:
    """Zeros in a key's place would wrap everything for everyone."""
    one = key("one")
    one.wipe()
    with pytest.raises(AttributeError):
        one.wrap(bytes(32), bytes(16), bytes(12))
    with pytest.raises(AttributeError):
        one.fingerprint(bytes(32))


@pytest.mark.parametrize("most", [1, 7, 10, 19])
def test_batches_larger_than_the_cache_are_right(
    vault: Vault, clock: TurnedClock, most: int
) -> None:
    with vault.keyring() as keyring:
        pairs = [("ward", str(n)) for n in range(20)]
        names = [SubjectId(str(name)) for name in keyring.subjects(pairs, create=True)]
        small = Keyring(keyring.store, keyring.sealer, KeyCache(clock, most))
        for part in (names[:10], names[5:], names, names[::-1]):
            grants = [g.key for g in small.grants([GrantRequest(name) for name in part])]
            refs = [KeyRef(grant.owner, grant.seal_id, grant.wrap) for grant in grants]
            opened = [grant.object_key for grant in grants]
            assert small.open(refs) == keyring.open(refs) == opened
