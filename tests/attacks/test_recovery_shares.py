"""Recovery shares: too few tell nothing, replaced ones are void, the record cannot be bent."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
from shamir_mnemonic import MnemonicError, Share, combine_mnemonics

from cloister.core.errors import BadInput, Tampered, WrongPassphrase
from cloister.keys.providers.file import FileProvider
from cloister.keys.providers.passphrase import RootRecord
from cloister.keys.providers.seam import Credential
from cloister.keys.service.shares import combine, split
from cloister.testing.keyd import NO_EFFORT
from tests.attacks.raw_disk import RawDisk, raw_disk

PASSPHRASE = Credential("passphrase", b"open sesame")
SECRET = secrets.token_bytes(20)
SCHEME, SHARES = split(SECRET, 3, 5)


def test_two_of_three_needed_shares_with_anything_for_the_third_give_no_secret() -> None:
    """Every value of the third share gives another secret; only the digest knows the true."""
    for pair in combinations(SHARES, 2):
        with pytest.raises(MnemonicError):
            combine_mnemonics(pair)
        third = next(share for share in SHARES if share not in pair)
        for _ in range(50):
            guess = replace(Share.from_mnemonic(third), value=secrets.token_bytes(20))
            with pytest.raises(MnemonicError):
                combine_mnemonics([*pair, guess.mnemonic()])
        with pytest.raises(BadInput):
            combine(pair, SCHEME)


def test_a_share_holds_nothing_of_the_secret() -> None:
    for share in SHARES:
        value = Share.from_mnemonic(share).value
        assert value != SECRET
        assert combine_mnemonics(SHARES[:3]) == SECRET


def test_new_shares_make_the_old_ones_and_the_old_code_void(tmp_path: Path) -> None:
    provider = FileProvider(tmp_path, NO_EFFORT)
    provider.initialise(PASSPHRASE.secret, b"the code's own bytes")
    provider.change_recovery(PASSPHRASE, SECRET, SCHEME)
    again, other = split(newer := secrets.token_bytes(20), 3, 5)
    provider.change_recovery(PASSPHRASE, newer, again)
    for old in (b"the code's own bytes", SECRET):
        with pytest.raises(WrongPassphrase):
            FileProvider(tmp_path, NO_EFFORT).unlock(Credential("recovery", old))
    with pytest.raises(BadInput, match="is of set"):
        combine(SHARES[:3], provider.shares())
    FileProvider(tmp_path, NO_EFFORT).unlock(Credential("recovery", combine(other, again)))


@pytest.mark.parametrize("at", [252, 253, 254, 255])
def test_the_scheme_in_the_record_cannot_be_changed(tmp_path: Path, at: int) -> None:
    """Whoever may write the keys folder cannot make two sheets pass for enough."""
    provider = FileProvider(tmp_path, NO_EFFORT)
    provider.initialise(PASSPHRASE.secret, SECRET, SCHEME)
    raw = bytearray((tmp_path / "root.record").read_bytes())
    raw[at] ^= 1
    raw[260:292] = hashlib.sha256(raw[:260]).digest()
    (tmp_path / "root.record").write_bytes(raw)
    assert FileProvider(tmp_path, NO_EFFORT).shares() != SCHEME
    with pytest.raises(Tampered):
        FileProvider(tmp_path, NO_EFFORT).unlock(Credential("recovery", SECRET))
    FileProvider(tmp_path, NO_EFFORT).unlock(PASSPHRASE)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[RawDisk]:
    with raw_disk(tmp_path, 24) as made:
        yield made


def test_raw_disk_after_new_shares_opens_with_the_new_ones_only(disk: RawDisk) -> None:
    keys = disk.mount / "keys"
    keys.mkdir()
    provider = FileProvider(keys, NO_EFFORT)
    provider.initialise(PASSPHRASE.secret, b"the code's own bytes")
    assert opened(disk, b"the code's own bytes")
    provider.change_recovery(PASSPHRASE, SECRET, SCHEME)
    assert not opened(disk, b"the code's own bytes")
    assert opened(disk, SECRET)


def opened(disk: RawDisk, secret: bytes) -> int:
    """How many remnants of root records a recovery secret opens."""
    found = 0
    for remnant in disk.carved(b"CLRT", 512):
        try:
            RootRecord.unpack(remnant).open_with_recovery(secret)
        except (Tampered, WrongPassphrase):
            continue
        found += 1
    return found
