from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloister.core.errors import BadInput
from cloister.models._schema import SCHEMAS
from cloister.models._wire import Budget, read_fields, read_varint


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _read(
    content: bytes, kind: str = "Attribute", fields: int = 1000
) -> list[tuple[int, bytes]]:
    found = read_fields(content, 0, len(content), SCHEMAS[kind], Budget(fields))
    return [(item.field.number, content[item.start : item.end]) for item in found]


@given(st.integers(0, 2**64 - 1))
def test_every_64_bit_number_comes_back(value: int) -> None:
    encoded = _varint(value)
    assert read_varint(encoded, 0, len(encoded)) == (value, len(encoded))


@pytest.mark.parametrize(
    "encoded", [b"", b"\x80", b"\x80" * 10 + b"\x00", b"\xff" * 9 + b"\x7f"]
)
def test_a_number_that_ends_early_or_late_is_refused(encoded: bytes) -> None:
    with pytest.raises(BadInput, match="cut off or too long"):
        read_varint(encoded, 0, len(encoded))


@given(st.lists(st.floats(width=32), min_size=1), st.lists(st.integers(0, 2**64 - 1)))
def test_runs_of_numbers_end_where_they_end(floats: list[float], ints: list[int]) -> None:
    run = b"".join(b"\x3d" + struct.pack("<f", value) for value in floats)
    run += b"".join(b"\x40" + _varint(value) for value in ints)
    assert [number for number, _ in _read(run + b"\x0a\x01n")] == [7, *[8] * bool(ints), 1]


@pytest.mark.parametrize("one", [b"\x3d\0\0\0\0", b"\x40\xff\x01", b"\x4a\x00", b"\x4a\x02ab"])
def test_long_runs_take_few_steps(one: bytes) -> None:
    assert len(_read(one * 40_000, fields=20)) < 20


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x0a\x05abc", "ends in the middle"),
        (b"\x0a\xff\xff\xff\xff\x07abc", "ends in the middle"),
        (b"\x3d\0\0", "ends in the middle"),
        (b"\x08\x01", "wrong wire type"),
        (b"\x0b\x0c", "wrong wire type"),
        (b"\x0a\x01a\x0a\x01b", "comes twice"),
        (b"\xa2\x06\x00", "its format lacks"),
        (b"\x00\x00", "its format lacks"),
    ],
)
def test_what_parsers_would_read_differently_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        _read(content)


def test_reading_stops_when_the_budget_is_spent() -> None:
    with pytest.raises(BadInput, match="more parts than any real one"):
        _read((b"\x4a\x20" + bytes(32)) * 1001)
