"""A recovery code survives paper, pens and bad light."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloister.core.errors import BadInput
from cloister.keys.recovery import SECRET_SIZE, RecoveryKit, new_secret, read_code, write_code

SECRETS = st.binary(min_size=SECRET_SIZE, max_size=SECRET_SIZE)
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@given(SECRETS)
def test_code_reads_back_however_it_is_typed(secret: bytes) -> None:
    code = write_code(secret)
    sloppy = f"  {code.lower().replace('-', ' ').replace('0', 'o').replace('1', 'l')}\n"
    assert read_code(code) == read_code(sloppy) == secret


@given(SECRETS, st.integers(min_value=0, max_value=35), st.sampled_from(ALPHABET))
def test_one_mistyped_letter_is_noticed(secret: bytes, at: int, letter: str) -> None:
    letters = write_code(secret).replace("-", "")
    mistyped = letters[:at] + letter + letters[at + 1 :]
    if mistyped != letters:
        with pytest.raises(BadInput, match="checksum"):
            read_code(mistyped)


@pytest.mark.parametrize("text", ["", "ABCD", "U" * 36, "0" * 35, "0" * 37, "é" * 36])
def test_what_is_no_code_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        read_code(text)


def test_code_is_nine_groups_of_four() -> None:
    assert [len(group) for group in write_code(new_secret()).split("-")] == [4] * 9


def test_kit_prints_its_code_and_never_shows_it_by_accident() -> None:
    kit = RecoveryKit("lab_x", write_code(bytes(20)), "2026-01-01T00:00:00Z")
    assert kit.code in kit.text()
    assert kit.code not in repr(kit)
