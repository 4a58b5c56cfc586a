"""The pack format: round trips, golden bytes, and every way its end can be wrong."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloister.core.errors import Tampered
from cloister.store.pack import MARK, Pack, build_pack, check_pack, read_entries

GOLDEN = Path(__file__).parent.parent / "golden" / "pack-1.bin"


def named(*objects: bytes) -> dict[str, bytes]:
    return {hashlib.sha256(sealed).hexdigest(): sealed for sealed in objects}


def entries_of(pack_id: str, content: bytes) -> list[str]:
    found = read_entries(pack_id, len(content), lambda start, n: content[start : start + n])
    return [entry.name for entry in found]


def retold(content: bytes, tail_bytes: int) -> str:
    """The name of a pack whose end was changed by somebody who renames it as well."""
    return hashlib.sha256(content[len(content) - tail_bytes :]).hexdigest()


@pytest.fixture
def pack() -> Pack:
    return build_pack(named(b"first", b"", b"the third object"))


def test_the_format_is_the_documented_one() -> None:
    pack = build_pack(named(b"first", b"", b"the third object"))
    assert pack.content == GOLDEN.read_bytes()
    table = b"".join(
        hashlib.sha256(sealed).digest() + struct.pack(">I", len(sealed))
        for sealed in (b"first", b"", b"the third object")
    )
    tail = table + struct.pack(">I", 3) + b"cloister pack 1\n"
    assert pack.content == b"cloister pack 1\nfirstthe third object" + tail
    assert pack.pack_id == hashlib.sha256(tail).hexdigest()


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=30))
def test_objects_come_back_from_their_places(objects: list[bytes]) -> None:
    by_name = named(*objects)
    pack = build_pack(by_name)
    sound, damaged = check_pack(pack.pack_id, pack.content)
    assert (tuple(sound), damaged) == (pack.entries, [])
    for entry in sound:
        piece = pack.content[entry.start_byte : entry.start_byte + entry.size_bytes]
        assert piece == by_name[entry.name]


def test_a_table_longer_than_the_first_read_is_read_whole() -> None:
    pack = build_pack(named(*[struct.pack(">I", number) for number in range(10_000)]))
    assert len(entries_of(pack.pack_id, pack.content)) == 10_000


def test_every_flipped_byte_is_noticed(pack: Pack) -> None:
    for at in range(len(pack.content)):
        content = bytearray(pack.content)
        content[at] ^= 1
        try:
            _, damaged = check_pack(pack.pack_id, bytes(content))
        except Tampered:
            continue
        assert damaged, f"byte {at}"


def test_every_truncation_is_noticed(pack: Pack) -> None:
    for size in range(len(pack.content)):
        with pytest.raises(Tampered):
            check_pack(pack.pack_id, pack.content[:size])


def test_a_consistent_end_that_claims_too_much_is_refused(pack: Pack) -> None:
    tail_bytes = 3 * 36 + 20
    longer = bytearray(pack.content)
    struct.pack_into(">I", longer, len(longer) - tail_bytes + 32, 1 << 31)
    with pytest.raises(Tampered, match="expected"):
        entries_of(retold(longer, tail_bytes), bytes(longer))
    more = pack.content[:-20] + struct.pack(">I", 4_000_000_000) + MARK
    with pytest.raises(Tampered, match="longer than the pack"):
        entries_of(retold(more, 20), more)


def test_a_blob_too_large_for_a_pack_is_refused_unread() -> None:
    def never(start: int, size: int) -> bytes:
        raise AssertionError("read")

    with pytest.raises(Tampered, match="at most"):
        read_entries("00" * 32, 1 << 40, never)
