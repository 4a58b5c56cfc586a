"""A lease permits what it says, for whom it says, until it says."""

from __future__ import annotations

import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloister.core.errors import BadInput, NotAllowed
from cloister.core.ids import KeyId, RunId, SubjectId
from cloister.keys.service.leases import LeaseBook, permit
from cloister.keys.values import ALL_VERBS
from tests.keys.service.conftest import TurnedClock

A, B, C = (SubjectId.new(secrets.token_bytes) for _ in range(3))
VERBS = st.frozensets(st.sampled_from(sorted(ALL_VERBS)))
OWNERS = st.none() | st.frozensets(st.sampled_from([A, B, C]))


@pytest.fixture
def book(clock: TurnedClock) -> LeaseBook:
    return LeaseBook(clock, lambda: 7)


def test_owner_lease_permits_everything_and_knows_its_generation(book: LeaseBook) -> None:
    lease = book.owner_lease()
    for verb in ALL_VERBS:
        permit(lease, verb, None)
    assert lease.generation == 7
    assert book.find(lease.token) == lease


def test_tokens_are_long_random_and_kept_as_hashes_only(book: LeaseBook) -> None:
    one, other = book.owner_lease(), book.owner_lease()
    assert len(one.token) == 32
    assert one.token != other.token
    assert one.token not in book._held
    assert one.token.hex() not in repr(one)


@given(VERBS, OWNERS, VERBS, OWNERS)
def test_a_lease_never_widens(
    verbs: frozenset[str],
    owners: frozenset[KeyId] | None,
    wanted: frozenset[str],
    named: frozenset[KeyId] | None,
) -> None:
    book = LeaseBook(TurnedClock(), lambda: 0)
    parent = book.narrow(book.owner_lease(), "parent", verbs, owners, 60)
    within = wanted <= verbs and (owners is None or (named is not None and named <= owners))
    if within:
        child = book.narrow(parent, "child", wanted, named, 60)
        assert child.verbs <= parent.verbs
    else:
        with pytest.raises(NotAllowed):
            book.narrow(parent, "child", wanted, named, 60)


def test_expired_lease_is_refused_and_so_are_its_children(
    book: LeaseBook, clock: TurnedClock
) -> None:
    parent = book.narrow(book.owner_lease(), "job", ["open"], None, 60)
    child = book.narrow(parent, "job child", ["open"], None, 60)
    clock.seconds = 59.9
    book.find(parent.token)
    clock.seconds = 60
    with pytest.raises(NotAllowed, match="expired"):
        book.find(parent.token)
    with pytest.raises(NotAllowed):
        book.find(child.token)


def test_a_lease_cannot_outlive_its_parent(book: LeaseBook, clock: TurnedClock) -> None:
    parent = book.narrow(book.owner_lease(), "job", ["open"], None, 60)
    clock.seconds = 10
    with pytest.raises(NotAllowed, match="outlive"):
        book.narrow(parent, "child", ["open"], None, 60)
    book.narrow(parent, "child", ["open"], None, 50)


def test_revoking_ends_a_lease_and_what_was_made_from_it(book: LeaseBook) -> None:
    owner = book.owner_lease()
    parent = book.narrow(owner, "job", ["open"], None, 60)
    child = book.narrow(parent, "child", ["open"], None, 60)
    sibling = book.narrow(owner, "sibling", ["open"], None, 60)
    book.revoke(owner, parent.token)
    for ended in (parent, child):
        with pytest.raises(NotAllowed):
            book.find(ended.token)
    book.find(sibling.token)


def test_a_lease_cannot_revoke_its_parent_or_a_stranger(book: LeaseBook) -> None:
    owner = book.owner_lease()
    one = book.narrow(owner, "one", ["open"], None, 60)
    other = book.narrow(owner, "other", ["open"], None, 60)
    for token in (owner.token, other.token, bytes(32)):
        with pytest.raises(NotAllowed):
            book.revoke(one, token)
    book.revoke(one, one.token)


def test_unknown_tokens_are_refused(book: LeaseBook) -> None:
    for token in (b"", bytes(32), b"x" * 1000):
        with pytest.raises(NotAllowed):
            book.find(token)


def test_lease_for_some_owners_covers_no_others_and_not_everyone(book: LeaseBook) -> None:
    lease = book.narrow(book.owner_lease(), "job", ["open"], [A, B], 60)
    permit(lease, "open", [A])
    permit(lease, "open", [])
    for owners in ([C], [A, C], None, [RunId.new(secrets.token_bytes)]):
        with pytest.raises(NotAllowed):
            permit(lease, "open", owners)


@pytest.mark.parametrize(
    ("purpose", "verbs", "lifetime_s"),
    [
        ("", ["open"], 60),
        ("Müller, Hans", ["open"], 60),
        ("x" * 81, ["open"], 60),
        ("job", ["root"], 60),
        ("job", ["open"], 0),
        ("job", ["open"], 10**9),
    ],
)
def test_malformed_leases_are_refused(
    book: LeaseBook, purpose: str, verbs: list[str], lifetime_s: int
) -> None:
    with pytest.raises(BadInput):
        book.narrow(book.owner_lease(), purpose, verbs, None, lifetime_s)


def test_clearing_ends_all(book: LeaseBook) -> None:
    lease = book.owner_lease()
    book.clear()
    with pytest.raises(NotAllowed):
        book.find(lease.token)


def test_what_has_run_out_is_forgotten(book: LeaseBook, clock: TurnedClock) -> None:
    owner = book.owner_lease()
    for _ in range(10):
        book.narrow(owner, "job", ["open"], None, 60)
    clock.seconds = 61
    book.drop_expired()
    assert len(book._held) == 1
