"""Ids are random, typed, and equal to their text."""

from __future__ import annotations

import json
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloister.core import ids
from cloister.core.errors import BadInput
from cloister.core.ids import KEY_KINDS, Id, KeyId, LabId, RunId, SubjectId, key_id


def all_kinds(kind: type[Id] = Id) -> list[type[Id]]:
    found = [child for child in kind.__subclasses__() if child.__module__ == ids.__name__]
    return found + [grandchild for child in found for grandchild in all_kinds(child)]


KINDS = all_kinds()


def test_prefixes_tell_kinds_apart() -> None:
    prefixes = [kind.prefix for kind in KINDS]
    assert len(set(prefixes)) == len(prefixes)
    assert all(prefix.isascii() and prefix.isalpha() for prefix in prefixes)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_new_id_reads_back_as_its_kind_and_no_other(kind: type[Id]) -> None:
    fresh = kind.new(secrets.token_bytes)
    assert type(kind.parse(fresh)) is kind
    assert fresh == str(fresh) == json.loads(json.dumps(fresh))
    for other in KINDS:
        if other is not kind:
            with pytest.raises(BadInput):
                other.parse(fresh)


def test_an_id_is_the_text_of_its_randomness() -> None:
    assert LabId.new(bytes) == "lab_aaaaaaaaaaaaaaaa"
    assert LabId.new(lambda size: b"\xff" * size) == "lab_7777777777777777"


@given(st.binary(min_size=10, max_size=10))
def test_different_randomness_gives_different_ids(raw: bytes) -> None:
    flipped = bytes([raw[0] ^ 1]) + raw[1:]
    assert RunId.new(lambda _: raw) != RunId.new(lambda _: flipped)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "run",
        "run_",
        "run_aaaaaaaaaaaaaaa",
        "run_AAAAAAAAAAAAAAAA",
        "run_aaaaaaaaaaaaaaaa\n",
        " run_aaaaaaaaaaaaaaaa",
        "run_aaaaaaaaaaaaaaa1",
        "run_../../etc/passwd",
        "run_" + "a" * 33,
        "sub_aaaaaaaaaaaaaaaa",
    ],
)
def test_what_is_not_an_id_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        RunId.parse(text)
    assert len(text) <= len("run_") or text not in str(caught.value)


@pytest.mark.parametrize("kind", KEY_KINDS, ids=lambda kind: kind.__name__)
def test_a_key_owner_is_the_kind_its_prefix_names(kind: type[KeyId]) -> None:
    assert type(key_id(f"{kind.prefix}_aaaaaaaaaaaaaaaa")) is kind


def test_what_owns_no_key_is_refused() -> None:
    for text in ("rec_aaaaaaaaaaaaaaaa", "lab_aaaaaaaaaaaaaaaa", "", "sub"):
        with pytest.raises(BadInput):
            key_id(text)
    assert isinstance(key_id("sub_aaaaaaaaaaaaaaaa"), SubjectId)
