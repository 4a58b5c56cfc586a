"""Shares survive paper, pens and bad light; and whoever holds too few learns nothing."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shamir_mnemonic import Share, generate_mnemonics
from shamir_mnemonic.wordlist import WORDLIST

from cloister.core.errors import BadInput
from cloister.keys.recovery import SECRET_SIZE
from cloister.keys.service.shares import WORDS, check, combine, split
from cloister.keys.sheets import ShareKit, parse_scheme, read_sheet
from cloister.keys.values import ShareSet

SECRET = bytes(range(SECRET_SIZE))
THREE_OF_FIVE, SHARES = split(SECRET, 3, 5)


def refusal(texts: list[str], wanted: ShareSet | None = THREE_OF_FIVE) -> str:
    with pytest.raises(BadInput) as caught:
        combine(texts, wanted)
    return f"{caught.value.message} / {caught.value.hint}"


@settings(max_examples=20)
@given(st.binary(min_size=SECRET_SIZE, max_size=SECRET_SIZE), st.data())
def test_any_sheets_that_are_enough_give_the_secret(secret: bytes, data: st.DataObject) -> None:
    count = data.draw(st.integers(2, 7))
    threshold = data.draw(st.integers(2, count))
    scheme, shares = split(secret, threshold, count)
    chosen = data.draw(st.permutations(shares))[:threshold]
    assert combine(chosen, scheme) == secret
    assert {len(share.split()) for share in shares} == {WORDS}


@pytest.mark.parametrize("scheme", [(1, 1), (1, 3), (4, 3), (2, 17), (0, 0)])
def test_a_scheme_that_cannot_be_is_refused(scheme: tuple[int, int]) -> None:
    with pytest.raises(BadInput, match="cannot be"):
        split(SECRET, *scheme)


def test_too_few_are_told_how_many_are_missing() -> None:
    assert "2 of the 3 shares that are needed / 1 more" in refusal(SHARES[:2])
    assert "0 of the 3" in refusal([])


def test_a_word_that_is_no_word_is_named_with_the_nearest() -> None:
    words = SHARES[1].split()
    words[2] = "acadmic"  # the third word of every sheet of one group says so
    said = refusal([SHARES[0], " ".join(words)])
    assert "share 2: word 3 is not in the list" in said
    assert "did you mean academic?" in said


def test_another_word_of_the_list_is_noticed_and_its_place_found() -> None:
    words = SHARES[0].split()
    for place in (1, 8, 22):
        other = WORDLIST[(WORDLIST.index(words[place]) + 1) % 1024]
        mistyped = [*words[:place], other, *words[place + 1 :]]
        said = refusal([" ".join(mistyped)])
        assert f"word {place + 1} does not fit" in said
        assert words[place] not in said.split(), "a check must not tell words of the secret"


def test_two_words_swapped_or_dropped_are_noticed() -> None:
    words = SHARES[0].split()
    at = next(at for at in range(4, 22) if words[at] != words[at + 1])
    words[at], words[at + 1] = words[at + 1], words[at]
    assert "checksum does not match" in refusal([" ".join(words)])
    assert f"expected {WORDS} words, found 22" in refusal([" ".join(words[:-1])])


def test_a_share_of_another_set_is_refused_by_its_name() -> None:
    other, shares = split(bytes(SECRET_SIZE), 3, 5)
    said = refusal([SHARES[0], shares[1], SHARES[2]])
    assert f"share 2 is of set {other.name}" in said
    assert THREE_OF_FIVE.name in said


def test_shares_of_two_sets_of_one_number_give_no_secret() -> None:
    """15 bits are soon met again; the digest that SLIP-39 puts beside the secret tells."""
    share = Share.from_mnemonic(SHARES[1])
    forged = replace(share, value=bytes(len(share.value))).mnemonic()
    assert "do not belong together" in refusal([SHARES[0], forged, SHARES[2]])


def test_the_same_sheet_twice_counts_once() -> None:
    assert "share 2: it is sheet 1 again" in refusal([SHARES[0], SHARES[0], SHARES[1]])


def test_shares_of_other_tools_are_no_recovery_kit() -> None:
    [longer] = generate_mnemonics(1, [(2, 2)], bytes(32))
    assert "expected 23 words, found 33" in refusal(longer)


def test_keys_that_have_a_code_take_no_shares() -> None:
    assert "recovery code, not shares" in refusal(SHARES[:3], None)


def test_case_numbers_and_line_breaks_do_not_matter() -> None:
    sloppy = [
        "\n".join(f"{at}. {word.upper()}," for at, word in enumerate(share.split(), 1))
        for share in SHARES[2:]
    ]
    assert combine(sloppy, THREE_OF_FIVE) == SECRET
    assert check(sloppy, THREE_OF_FIVE) == [3, 4, 5]


def test_sheet_and_page_give_their_words_back() -> None:
    kit = ShareKit("lab_x", THREE_OF_FIVE, tuple(SHARES), "2026-01-01T00:00:00Z", "a\nb\n")
    for number, share in enumerate(SHARES, 1):
        page, sheet = kit.page(number), kit.sheet(number)
        assert read_sheet(page) == share
        assert re.findall(r"[a-z]+", sheet.split("\n\n", 1)[1].replace("\n", " ")) != []
        assert set(share.split()) <= set(re.findall(r"[a-z]+", sheet))
        assert f"{number} of 5" in page
        assert THREE_OF_FIVE.name in page
        assert "lab_x" in page
        assert "http" not in page
        assert "<script" not in page
        others = {word for other in SHARES if other != share for word in other.split()[4:]}
        listed = set(re.findall(r"<li>([a-z]+)</li>", page))
        assert not (others - set(share.split())) & listed
    assert all(share not in repr(kit) for share in SHARES)


def test_schemes_are_read_as_people_write_them() -> None:
    assert parse_scheme("3of5") == parse_scheme(" 3 of 5 ") == parse_scheme("3/5") == (3, 5)
    for text in ("", "3", "5-3", "threeof5", "3of5of7"):
        with pytest.raises(BadInput, match="3of5"):
            parse_scheme(text)
