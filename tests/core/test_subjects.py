"""One person has one identity, however the id was typed."""

from __future__ import annotations

import pytest

from cloister.core.errors import BadInput
from cloister.core.subjects import Identity


@pytest.mark.parametrize("text", ["P1", " P1\t", "P1\0\0", "P1\r\n"])
def test_padding_does_not_distinguish_people(text: str) -> None:
    assert Identity.of("local", text) == Identity("local", "P1")


def test_two_spellings_of_one_text_are_one_id() -> None:
    assert Identity.of("x", "Mu\u0308ller") == Identity.of("x", "M\u00fcller")


@pytest.mark.parametrize("text", ["", "  ", "\0", "P" * 257, "\udcff"])
def test_what_is_not_an_id_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        Identity.of("local", text)


def test_issuers_distinguish_people() -> None:
    assert Identity.of("a", "1") != Identity.of("b", "1")


def test_an_identity_shows_neither_part() -> None:
    shown = repr(Identity.of("St. Anna", "P0001"))
    assert "Anna" not in shown
    assert "P0001" not in shown
