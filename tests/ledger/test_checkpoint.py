"""Heads as C2SP signed notes."""

from __future__ import annotations

import base64

import pytest

from cloister.core.errors import BadInput, NotVerified
from cloister.core.signing import PublicKey
from cloister.ledger import EMPTY_ROOT
from cloister.ledger.checkpoint import Head, open_head, sign_head
from tests.ledger.lab import ORIGIN, LogKey, verify

KEY = LogKey()
WITNESS = LogKey(bytes(32), "witness.example")
HEAD = sign_head(ORIGIN, 7, bytes(range(32)), KEY)


def signed(body: str, key: LogKey = KEY) -> str:
    signature = key.public_key.key_hash + key.sign(body.encode())
    return f"{body}\n— {key.public_key.name} {base64.b64encode(signature).decode()}\n"


def test_a_head_comes_back_as_it_was_signed() -> None:
    assert open_head(HEAD.note, KEY.public_key, verify) == HEAD


def test_the_note_has_the_lines_of_a_checkpoint() -> None:
    lines = HEAD.note.split("\n")
    assert lines[:4] == [ORIGIN, "7", base64.b64encode(bytes(range(32))).decode(), ""]
    assert lines[4].startswith(f"— {ORIGIN} ")
    assert lines[5:] == [""]


def test_a_witness_may_sign_as_well() -> None:
    body = HEAD.note.partition("\n\n")[0] + "\n"
    cosigned = HEAD.note + signed(body, WITNESS).rpartition("\n\n")[2]
    assert open_head(cosigned, KEY.public_key, verify).size == 7
    with pytest.raises(NotVerified, match="not signed by"):
        open_head(signed(body, WITNESS), KEY.public_key, verify)


def test_extension_lines_are_signed_and_passed_over() -> None:
    body = HEAD.note.partition("\n\n")[0] + "\nrecovery of an older head\n"
    assert open_head(signed(body), KEY.public_key, verify).size == 7


@pytest.mark.parametrize("place", range(0, len(HEAD.note), 3))
def test_no_character_can_be_changed(place: int) -> None:
    letter = "B" if HEAD.note[place] == "A" else "A"
    with pytest.raises(NotVerified):
        open_head(HEAD.note[:place] + letter + HEAD.note[place + 1 :], KEY.public_key, verify)


@pytest.mark.parametrize(
    "body",
    [
        f"{ORIGIN}\n7\n",
        f"{ORIGIN}\n07\n{base64.b64encode(bytes(32)).decode()}\n",
        f"{ORIGIN}\n-7\n{base64.b64encode(bytes(32)).decode()}\n",
        f"{ORIGIN}\nseven\n{base64.b64encode(bytes(32)).decode()}\n",
        f"{ORIGIN}\n7\n{base64.b64encode(bytes(31)).decode()}\n",
        f"{ORIGIN}\n7\nnot base64\n",
    ],
)
def test_a_signed_text_that_is_no_checkpoint_is_refused(body: str) -> None:
    with pytest.raises(NotVerified, match="not a checkpoint"):
        open_head(signed(body), KEY.public_key, verify)


def test_a_head_of_another_log_is_refused_even_if_this_key_signed_it() -> None:
    body = f"lab_other/log\n7\n{base64.b64encode(bytes(32)).decode()}\n"
    with pytest.raises(NotVerified, match="another log"):
        open_head(signed(body), KEY.public_key, verify)


@pytest.mark.parametrize("note", ["", "\n\n", "no signature", HEAD.note.partition("\n\n")[0]])
def test_a_note_without_signature_is_refused(note: str) -> None:
    with pytest.raises(NotVerified):
        open_head(note, KEY.public_key, verify)


def test_a_signature_of_a_key_with_the_same_name_is_refused() -> None:
    impostor = LogKey(bytes(32), ORIGIN)
    body = HEAD.note.partition("\n\n")[0] + "\n"
    with pytest.raises(NotVerified):
        open_head(signed(body, impostor), KEY.public_key, verify)
    with pytest.raises(NotVerified):
        open_head(HEAD.note, PublicKey(ORIGIN, impostor.public_key.raw), verify)


def test_an_origin_that_would_break_the_lines_is_refused() -> None:
    for origin in ("", "two\nlines", "two words"):
        with pytest.raises(BadInput):
            sign_head(origin, 0, EMPTY_ROOT, LogKey(name=origin))


def test_a_log_without_entries_has_an_unsigned_empty_head() -> None:
    assert Head.empty(ORIGIN) == Head(ORIGIN, 0, EMPTY_ROOT, "")
