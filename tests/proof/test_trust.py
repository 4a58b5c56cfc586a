from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloister.core.errors import BadInput
from cloister.proof.trust import LabKeys
from tests.ledger.lab import LogKey
from tests.proof.verifying import verifier

KEYS = LabKeys(
    LogKey(b"\x01" * 32, "lab_a/log").public_key, LogKey(b"\x02" * 32, "lab_a/st").public_key
)


def test_file_is_read_as_it_was_written() -> None:
    assert LabKeys.parse(KEYS.text()) == KEYS
    assert LabKeys.parse("# from the office\n\n" + KEYS.text()) == KEYS


@pytest.mark.parametrize(
    "text",
    [
        "",
        "log x\n",
        f"log {KEYS.log.text()}\n",
        KEYS.text() * 2,
        KEYS.text().replace("statement", "witness"),
        KEYS.text().replace("statement", "log"),
        f"log {KEYS.log.text()}\nstatement {KEYS.log.text()}\n",
    ],
)
def test_anything_else_is_refused_here_and_by_the_verifier(text: str) -> None:
    with pytest.raises(BadInput):
        LabKeys.parse(text)
    with pytest.raises(verifier.Refused):
        verifier.parse_keys(text)


@given(st.data())
def test_the_verifier_reads_the_same_keys(data: st.DataObject) -> None:
    text = KEYS.text()
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.characters(min_codepoint=32, max_codepoint=126))
    changed = text[:place] + letter + text[place + 1 :]
    assert reading(LabKeys.parse, BadInput, changed) == reading(
        verifier.parse_keys, verifier.Refused, changed
    )


def reading(read: Callable[[str], Any], error: type[Exception], text: str) -> str | None:
    try:
        found: str = read(text).text()
    except error:
        return None
    return found
