"""Claim: whoever changes, cuts, reorders or swaps sealed bytes is found out, not believed."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from cloister.core.errors import Tampered
from cloister.core.values import KeyGrant
from cloister.keys.seal import SealedReader, open_sealed, seal
from tests.keys.test_seal import fresh

FRAME, HEADER, TAG = 1 << 10, 64, 16
FRAMES = 4
GRANT = fresh()
PLAIN = secrets.token_bytes((FRAMES - 1) * FRAME + 100)
SEALED = seal(PLAIN, GRANT, FRAME)


def open_whole(sealed: bytes) -> bytes:
    return open_sealed(sealed, GRANT.object_key, GRANT.seal_id)


def open_through_reader(sealed: bytes) -> bytes:
    return b"".join(reader(sealed).chunks())


def open_first_byte(sealed: bytes) -> bytes:
    return reader(sealed).read_at(0, 1)


def reader(sealed: bytes) -> SealedReader:
    def read_at(offset: int, size: int) -> bytes:
        return sealed[offset : offset + size]

    return SealedReader(read_at, len(sealed), GRANT.object_key, GRANT.seal_id)


def cut(sealed: bytes) -> tuple[bytes, list[bytes], list[bytes]]:
    """Header, frames, tags of a sealed object of `FRAMES` frames."""
    trailer = len(sealed) - FRAMES * TAG
    frames = [sealed[at : min(at + FRAME, trailer)] for at in range(HEADER, trailer, FRAME)]
    tags = [sealed[at : at + TAG] for at in range(trailer, len(sealed), TAG)]
    assert len(frames) == len(tags) == FRAMES
    return sealed[:HEADER], frames, tags


def joined(header: bytes, frames: list[bytes], tags: list[bytes]) -> bytes:
    return header + b"".join(frames) + b"".join(tags)


@pytest.mark.parametrize("open_it", [open_whole, open_through_reader])
def test_flipping_any_one_bit_is_detected(open_it: Callable[[bytes], bytes]) -> None:
    for at in (*range(HEADER), *range(HEADER, len(SEALED), 37), *range(-64, 0)):
        changed = bytearray(SEALED)
        changed[at] ^= 1 << (at % 8)
        with pytest.raises(Tampered):
            open_it(bytes(changed))


@given(st.integers(min_value=0, max_value=len(SEALED) - 1))
def test_truncation_at_any_byte_is_detected(size: int) -> None:
    for open_it in (open_whole, open_through_reader, open_first_byte):
        with pytest.raises(Tampered):
            open_it(SEALED[:size])


@pytest.mark.parametrize("open_it", [open_whole, open_through_reader, open_first_byte])
def test_dropping_whole_frames_with_their_tags_is_detected(
    open_it: Callable[[bytes], bytes],
) -> None:
    header, frames, tags = cut(SEALED)
    for kept in range(1, FRAMES):  # what is left is a well-formed object, but for the last flag
        with pytest.raises(Tampered):
            open_it(joined(header, frames[:kept], tags[:kept]))


@pytest.mark.parametrize("open_it", [open_whole, open_through_reader, open_first_byte])
def test_appending_frames_or_bytes_is_detected(open_it: Callable[[bytes], bytes]) -> None:
    header, frames, tags = cut(SEALED)
    longer = joined(header, [*frames[:3], frames[0], frames[3]], [*tags[:3], tags[0], tags[3]])
    for changed in (longer, SEALED + b"\0", SEALED + bytes(TAG)):
        with pytest.raises(Tampered):
            open_it(changed)


def test_reordering_frames_with_their_tags_is_detected() -> None:
    header, frames, tags = cut(SEALED)
    swapped_frames = [frames[1], frames[0], *frames[2:]]
    swapped_tags = [tags[1], tags[0], *tags[2:]]
    changed = joined(header, swapped_frames, swapped_tags)
    for open_it in (open_whole, open_first_byte):
        with pytest.raises(Tampered, match="frame 0"):
            open_it(changed)


def test_frame_of_another_object_under_the_same_key_is_detected() -> None:
    """Even if an object key were used twice, the seal id keeps the objects apart."""
    other_grant = KeyGrant(GRANT.owner, secrets.token_bytes(16), GRANT.object_key, b"")
    other = seal(PLAIN, other_grant, FRAME)
    header, frames, tags = cut(SEALED)
    _, other_frames, other_tags = cut(other)
    changed = joined(header, [other_frames[0], *frames[1:]], [other_tags[0], *tags[1:]])
    with pytest.raises(Tampered, match="frame 0"):
        open_whole(changed)


def test_whole_object_in_another_ones_place_is_detected() -> None:
    other = seal(PLAIN, fresh(), FRAME)
    with pytest.raises(Tampered, match="found seal"):
        open_whole(other)


def test_another_key_is_detected_before_any_frame_is_opened() -> None:
    with pytest.raises(Tampered, match="not sealed under this key"):
        open_sealed(SEALED, secrets.token_bytes(32), GRANT.seal_id)


def test_ciphertext_made_to_open_under_two_keys_opens_under_one() -> None:
    """GCM does not commit to its key (Dodis et al. 2018): the header's commitment must."""
    theirs = secrets.token_bytes(32)
    okm = HKDF(SHA256(), 64, GRANT.seal_id, b"cloister sealed-object v1").derive(theirs)
    plain = b"what the insider would like to have signed for"
    header = SEALED[:HEADER]
    nonce = header[5:12] + bytes(4) + b"\x01"
    forged = AESGCM(okm[:32]).encrypt(nonce, plain, header)
    with pytest.raises(Tampered, match="not sealed under this key"):
        open_sealed(header + forged, theirs, GRANT.seal_id)


def test_header_cannot_be_changed_even_where_it_would_not_matter() -> None:
    sealed = seal(b"shorter than any frame", GRANT, 4 * FRAME)
    changed = sealed[:12] + (8 * FRAME).to_bytes(4, "big") + sealed[16:]
    with pytest.raises(Tampered, match="frame 0"):
        open_whole(changed)


def test_other_version_is_refused_not_guessed() -> None:
    with pytest.raises(Tampered, match="version 1"):
        open_whole(SEALED[:4] + b"\x02" + SEALED[5:])
