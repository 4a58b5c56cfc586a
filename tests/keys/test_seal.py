"""Sealed objects come back whole, from any direction and in any piece."""

from __future__ import annotations

import secrets
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloister.core.errors import BadInput, Tampered
from cloister.core.ids import RunId
from cloister.core.values import KeyGrant
from cloister.keys.seal import (
    SealedReader,
    open_field,
    open_sealed,
    seal,
    seal_field,
    seal_stream,
    sealed_size,
)

FRAME = 1 << 10


def fresh() -> KeyGrant:
    owner = RunId.new(secrets.token_bytes)
    return KeyGrant(owner, secrets.token_bytes(16), secrets.token_bytes(32), b"")


GRANT = fresh()


def reader(sealed: bytes, grant: KeyGrant = GRANT) -> SealedReader:
    def read_at(offset: int, size: int) -> bytes:
        return sealed[offset : offset + size]

    return SealedReader(read_at, len(sealed), grant.object_key, grant.seal_id)


SIZES = [0, 1, FRAME - 1, FRAME, FRAME + 1, 2 * FRAME, 5 * FRAME - 3]


@pytest.mark.parametrize("size", SIZES)
def test_every_way_in_and_out_agrees(size: int) -> None:
    plain = secrets.token_bytes(size)
    whole = seal(plain, GRANT, FRAME)
    streamed = b"".join(seal_stream([plain], GRANT, FRAME))
    for sealed in (whole, streamed):
        assert len(sealed) == sealed_size(size, FRAME)
        assert open_sealed(sealed, GRANT.object_key, GRANT.seal_id) == plain
        assert reader(sealed).size == size
        assert b"".join(reader(sealed).chunks()) == plain


@given(st.lists(st.binary(max_size=3 * FRAME), max_size=6))
def test_stream_does_not_depend_on_how_it_is_cut(chunks: list[bytes]) -> None:
    sealed = b"".join(seal_stream(chunks, GRANT, FRAME))
    assert open_sealed(sealed, GRANT.object_key, GRANT.seal_id) == b"".join(chunks)


@given(
    st.binary(max_size=4 * FRAME),
    st.integers(min_value=0, max_value=5 * FRAME),
    st.integers(min_value=0, max_value=5 * FRAME),
)
def test_reader_reads_any_range_like_a_slice(plain: bytes, offset: int, size: int) -> None:
    assert (
        reader(seal(plain, GRANT, FRAME)).read_at(offset, size) == plain[offset : offset + size]
    )


def test_default_frame_is_one_mebibyte() -> None:
    plain = secrets.token_bytes((1 << 20) + 5)
    sealed = seal(memoryview(plain), GRANT)
    assert len(sealed) == 64 + len(plain) + 2 * 16
    assert open_sealed(sealed, GRANT.object_key, GRANT.seal_id) == plain


def test_no_two_seals_of_one_plaintext_are_alike() -> None:
    assert seal(b"same", GRANT) != seal(b"same", GRANT)


def test_stream_needs_memory_for_a_few_frames_only() -> None:
    frame = bytes(1 << 16)

    def chunks() -> Iterator[bytes]:
        for _ in range(256):
            yield frame

    tracemalloc.start()
    for _ in seal_stream(chunks(), GRANT, len(frame)):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * len(frame)


def test_reader_touches_only_the_frames_it_needs() -> None:
    sealed, touched = seal(bytes(10 * FRAME), GRANT, FRAME), []

    def read_at(offset: int, size: int) -> bytes:
        touched.append(size)
        return sealed[offset : offset + size]

    random = SealedReader(read_at, len(sealed), GRANT.object_key, GRANT.seal_id)
    assert random.read_at(3 * FRAME + 7, 20) == bytes(20)
    assert sum(touched) == 64 + 2 * (FRAME + 16)  # header, last frame, the frame asked for


def test_frames_are_of_a_sensible_size() -> None:
    for frame_size in (0, 1023, (1 << 26) + 1):
        with pytest.raises(BadInput):
            seal(b"", GRANT, frame_size)


def test_short_reads_of_the_medium_are_tampering() -> None:
    sealed = seal(bytes(3 * FRAME), GRANT, FRAME)
    short = SealedReader(
        lambda offset, size: sealed[offset : offset + size - 1],
        len(sealed),
        GRANT.object_key,
        GRANT.seal_id,
    )
    with pytest.raises(Tampered):
        short.read_at(0, 1)


@given(st.binary(max_size=200), st.binary(max_size=40))
def test_field_comes_back_in_its_own_place(value: bytes, context: bytes) -> None:
    sealed = seal_field(GRANT.object_key, "path", value, context)
    assert open_field(GRANT.object_key, "path", sealed, context) == value


def test_field_opens_nowhere_else() -> None:
    sealed = seal_field(GRANT.object_key, "path", b"ward/3", b"rec_1")
    attempts = [
        (GRANT.object_key, "label", sealed, b"rec_1"),
        (GRANT.object_key, "path", sealed, b"rec_2"),
        (fresh().object_key, "path", sealed, b"rec_1"),
        (GRANT.object_key, "path", sealed[:-1] + bytes([sealed[-1] ^ 1]), b"rec_1"),
        (GRANT.object_key, "path", b"\x02" + sealed[1:], b"rec_1"),
        (GRANT.object_key, "path", sealed[:20], b"rec_1"),
        (GRANT.object_key, "path", b"", b"rec_1"),
    ]
    for attempt in attempts:
        with pytest.raises(Tampered):
            open_field(*attempt)
