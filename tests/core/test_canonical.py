"""Canonical JSON against RFC 8785's own examples, and against the standard library."""

from __future__ import annotations

import json
import math
import struct
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloister.core.canonical import canonical
from cloister.core.errors import BadInput
from cloister.core.ids import RunId

# RFC 8785 appendix B: IEEE 754 bits and the only spelling of the number.
NUMBERS = [
    ("0000000000000000", "0"),
    ("8000000000000000", "0"),
    ("0000000000000001", "5e-324"),
    ("8000000000000001", "-5e-324"),
    ("7fefffffffffffff", "1.7976931348623157e+308"),
    ("ffefffffffffffff", "-1.7976931348623157e+308"),
    ("4340000000000000", "9007199254740992"),
    ("c340000000000000", "-9007199254740992"),
    ("4430000000000000", "295147905179352830000"),
    ("44b52d02c7e14af5", "9.999999999999997e+22"),
    ("44b52d02c7e14af6", "1e+23"),
    ("44b52d02c7e14af7", "1.0000000000000001e+23"),
    ("444b1ae4d6e2ef4e", "999999999999999700000"),
    ("444b1ae4d6e2ef4f", "999999999999999900000"),
    ("444b1ae4d6e2ef50", "1e+21"),
    ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
    ("3eb0c6f7a0b5ed8d", "0.000001"),
    ("41b3de4355555553", "333333333.3333332"),
    ("41b3de4355555554", "333333333.33333325"),
    ("41b3de4355555555", "333333333.3333333"),
    ("41b3de4355555556", "333333333.3333334"),
    ("41b3de4355555557", "333333333.33333343"),
    ("becbf647612f3696", "-0.0000033333333333333333"),
    ("43143ff3c1cb0959", "1424953923781206.2"),
]


@pytest.mark.parametrize(("bits", "text"), NUMBERS)
def test_numbers_are_spelled_as_in_appendix_b(bits: str, text: str) -> None:
    (value,) = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical(value) == text.encode()


def test_the_example_of_section_3_2_2() -> None:
    source = r"""{
        "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
        "literals": [null, true, false]
    }"""
    expected = (
        r'{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        r'"string":"€$\u000f\nA' + r"'" + r'B\"\\\\\"/"}'
    )
    assert canonical(json.loads(source)) == expected.encode()


def test_names_are_sorted_by_utf_16_as_in_section_3_2_3() -> None:
    names = {
        "\u20ac": "Euro Sign",
        "\r": "Carriage Return",
        "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One",
        "\U0001f600": "Emoji: Grinning Face",
        "\u0080": "Control",
        "\u00f6": "Latin Small Letter O With Diaeresis",
    }
    written = json.loads(canonical(names), object_pairs_hook=lambda pairs: pairs)
    assert [value for _, value in written] == [
        "Carriage Return",
        "One",
        "Control",
        "Latin Small Letter O With Diaeresis",
        "Euro Sign",
        "Emoji: Grinning Face",
        "Hebrew Letter Dalet With Dagesh",
    ]


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)
with_floats = st.recursive(
    st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53) + 1, 2**53 - 1),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(plain)
def test_what_was_written_reads_back(value: object) -> None:
    assert json.loads(canonical(value)) == value


@given(with_floats)
def test_floats_read_back_to_the_same_bits(value: object) -> None:
    read = json.loads(canonical(value), parse_int=float)
    assert read == value
    assert canonical(read) == canonical(value)


@given(plain)
def test_the_fast_and_the_slow_way_agree(value: object) -> None:
    slow = MappingProxyType({"value": value})  # not a dict: written step by step
    assert canonical(slow) == canonical({"value": value})


@given(st.dictionaries(st.text(), st.integers(-5, 5)))
def test_order_of_insertion_does_not_matter(value: dict[str, int]) -> None:
    backwards = dict(reversed(value.items()))
    assert canonical(backwards) == canonical(value)


def test_ids_enumerations_and_tuples_are_their_json() -> None:
    run = RunId("run_aaaaaaaaaaaaaaaa")
    assert canonical((run, {run: True})) == (
        b'["run_aaaaaaaaaaaaaaaa",{"run_aaaaaaaaaaaaaaaa":true}]'
    )


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        2**53,
        -(2**53),
        {"deep": [2**53]},
        {1: "a"},
        {None: "a"},
        {"a": {b"b": 1}},
        b"bytes",
        {"a": {1, 2}},
        object,
        "\ud800",
        {"\udfff": 1},
    ],
    ids=repr,
)
def test_what_json_cannot_hold_exactly_is_refused(value: object) -> None:
    with pytest.raises(BadInput):
        canonical(value)
