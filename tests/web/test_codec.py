from __future__ import annotations

import json
import math
import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloister.web.mlflow.codec import Message, encode
from cloister.web.mlflow.errors import Refusal

LOOSE = ("1_0", " 7 ", "7\n", "+7", "\u0667", "", "-", "7.", "--7")
"""What Python reads as a number, or nearly, and JSON does not have."""


def of(**values: object) -> Message:
    return Message.of_json(json.dumps(values).encode())


@pytest.mark.parametrize("sent", [7, "7", 7.0])
def test_a_whole_number_comes_as_number_or_text(sent: object) -> None:
    assert of(step=sent).whole("step") == 7


@pytest.mark.parametrize(
    "sent", [True, "seven", 7.5, 1 << 63, "9" * 21, [7], {}, "0x7", *LOOSE]
)
def test_what_is_no_whole_number_is_refused_by_name(sent: object) -> None:
    with pytest.raises(Refusal, match="'step'") as refused:
        of(step=sent).whole("step")
    assert (refused.value.code, refused.value.status) == ("INVALID_PARAMETER_VALUE", 400)


@pytest.mark.parametrize("sent", ["0", "-7", "0.5", "-1.5e-7", "2E+3", "1e5"])
def test_a_double_comes_as_text_too(sent: str) -> None:
    assert of(value=sent).number("value") == float(sent)


@pytest.mark.parametrize("bound", [-(1 << 63), (1 << 63) - 1])
def test_all_of_64_bits_is_taken(bound: int) -> None:
    assert of(step=str(bound)).whole("step") == of(step=bound).whole("step") == bound


@given(st.floats())
def test_every_double_survives_both_ways(value: float) -> None:
    sent = encode({"value": value})
    back = Message.of_json(sent).number("value")
    same = struct.pack("<d", value) == struct.pack("<d", back)
    assert same or (math.isnan(value) and math.isnan(back))


@pytest.mark.parametrize(
    "sent", ["nan", "1e999", True, [], "9" * 401, 10**400, "infinity", *LOOSE]
)
def test_what_is_no_double_is_refused(sent: object) -> None:
    with pytest.raises(Refusal):
        of(value=sent).number("value")


def test_infinities_and_nan_leave_as_words_wherever_they_stand() -> None:
    sent = encode({"a": [math.inf, {"b": -math.inf}], "c": (math.nan, 1)})
    assert json.loads(sent) == {"a": ["Infinity", {"b": "-Infinity"}], "c": ["NaN", 1]}


def test_a_name_comes_in_either_spelling_but_not_in_both() -> None:
    assert of(runId="a").text("run_id") == of(run_id="a").text("run_id") == "a"
    with pytest.raises(Refusal, match="two spellings"):
        of(runId="a", run_id="b").text("run_id")


def test_null_is_absence_and_a_required_one_is_missed() -> None:
    assert of(name=None).text("name", "x") == "x"
    assert not of(name=None).has("name")
    for values in ({}, {"name": None}, {"name": ""}):
        with pytest.raises(Refusal, match="Missing value for required parameter 'name'"):
            of(**values).required("name")


@pytest.mark.parametrize("sent", ['"\\ud800"', '"a\\u0000b"', "7", "[]"])
def test_text_is_unicode_text(sent: str) -> None:
    with pytest.raises(Refusal, match="'name'"):
        Message.of_json(f'{{"name": {sent}}}'.encode()).text("name")


@pytest.mark.parametrize("body", [b"{", b"[]", b"7", b"\xff", b"[" * 100_000, b'"[]"'])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        Message.of_json(body)
    assert refused.value.code == "BAD_REQUEST"


def test_old_clients_encode_twice() -> None:
    assert Message.of_json(json.dumps('{"name": "a"}').encode()).text("name") == "a"


def test_a_query_is_read_as_the_same_fields() -> None:
    fields = Message.of_query(b"run_ids=a&run_ids=b&max_results=5&deleted=true&key=%C3%A9+x")
    assert fields.texts("run_ids") == ["a", "b"]
    assert fields.whole("max_results") == 5
    assert fields.flag("deleted") is True
    assert fields.text("key") == "é x"


@pytest.mark.parametrize("query", [b"a=%FF", b"a=\xff", b"&".join([b"a=1"] * 5001)])
def test_a_query_that_is_no_text_is_refused(query: bytes) -> None:
    with pytest.raises(Refusal):
        Message.of_query(query)


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(),
        lambda s: st.lists(s) | st.dictionaries(st.text(), s),
    )
)
def test_no_value_of_any_type_escapes_as_another_error(value: object) -> None:
    fields = Message({"x_y": value})
    for read in (fields.text, fields.whole, fields.number, fields.flag, fields.texts,
                 fields.message, fields.messages, fields.mapping, fields.required):  # fmt: skip
        with suppress(Refusal):
            read("x_y")
