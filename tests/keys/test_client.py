"""The key service end to end, over its socket."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from cloister.core.errors import (
    Erased,
    KeyMissing,
    Locked,
    NotAllowed,
    Tampered,
    WrongPassphrase,
)
from cloister.core.ids import RunId, SubjectId
from cloister.core.values import KeyGrant, KeyRef
from cloister.keys import KeyClient, launch
from cloister.keys.seal import open_sealed, seal
from cloister.keys.signing import verify
from cloister.keys.values import Fingerprint, GrantRequest
from cloister.testing.keyd import PASSPHRASE


def ref(grant: KeyGrant) -> KeyRef:
    return KeyRef(grant.owner, grant.seal_id, grant.wrap)


def subject(client: KeyClient, name: str) -> SubjectId:
    found = client.subjects([("ward", name)], create=True)[0]
    assert found is not None
    return found


def test_object_sealed_under_a_grant_opens_again(keyd: KeyClient) -> None:
    grant = keyd.grants([GrantRequest(subject(keyd, "a"))])[0].key
    sealed = seal(b"lungs", grant)
    assert keyd.open([ref(grant)]) == [grant.object_key]
    assert open_sealed(sealed, grant.object_key, grant.seal_id) == b"lungs"


def test_erased_subject_opens_no_more_and_others_do(keyd: KeyClient) -> None:
    gone, stays = subject(keyd, "gone"), subject(keyd, "stays")
    grants = [grant.key for grant in keyd.grants([GrantRequest(gone), GrantRequest(stays)])]
    receipt = keyd.erase([gone])
    assert (receipt.destroyed, receipt.survivors) == (1, 1)
    assert receipt.epoch_after == receipt.epoch_before + 1
    assert keyd.open([ref(grant) for grant in grants]) == [None, grants[1].object_key]
    assert keyd.identities([gone, stays]) == [None, ("ward", "stays")]
    with pytest.raises(Erased):
        keyd.grants([GrantRequest(gone)])
    assert keyd.subjects([("ward", "gone")], create=False) == [None]


def test_duplicate_is_found_only_for_the_same_owner(keyd: KeyClient) -> None:
    one, other = subject(keyd, "one"), subject(keyd, "other")
    digest = secrets.token_bytes(32)
    keyd.remember([Fingerprint(one, digest, "ab" * 32)])
    found = keyd.grants([GrantRequest(one, digest), GrantRequest(other, digest)])
    assert [grant.duplicate_of for grant in found] == ["ab" * 32, None]


def test_locked_wrong_passphrase_tampered_and_missing_are_told_apart(
    keyd: KeyClient, socket_path: Path
) -> None:
    grant = keyd.grants([GrantRequest(keyd.new_owner(RunId))])[0].key
    damaged = KeyRef(grant.owner, grant.seal_id, grant.wrap[:-1] + bytes([grant.wrap[-1] ^ 1]))
    with pytest.raises(Tampered):
        keyd.open([damaged])
    with pytest.raises(KeyMissing):
        keyd.open([KeyRef(RunId.new(secrets.token_bytes), grant.seal_id, grant.wrap)])
    keyd.lock()
    with pytest.raises(Locked):
        keyd.open([ref(grant)])
    with pytest.raises(WrongPassphrase):
        keyd.unlock("wrong")
    launch.unlock(keyd, PASSPHRASE)
    with launch.connect(socket_path) as another:
        assert another.open([ref(grant)]) == [grant.object_key]


def test_signatures_verify_with_the_public_keys(keyd: KeyClient) -> None:
    for purpose in ("log", "statement"):
        signer = keyd.signer(purpose)
        verify(signer.public_key, b"message", signer.sign(b"message"))


def test_lease_without_a_verb_is_refused(keyd: KeyClient, socket_path: Path) -> None:
    lease = keyd.lease("reader", ["open"], None, 60)
    with KeyClient(socket_path, lease) as narrow, pytest.raises(NotAllowed):
        narrow.grants([GrantRequest(subject(keyd, "a"))])
