"""Ids of patients in what a run says become pseudonyms, and nothing else changes."""

from __future__ import annotations

import string
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloister.core.clock import SystemClock
from cloister.core.ids import SubjectId
from cloister.workflows.identify import Identifier, Redacted

IDS = {
    "p0017": "sub_aaaaaaaaaaaaaaaa",
    "sts_001": "sub_bbbbbbbbbbbbbbbb",
    "123456": "sub_c" * 4,
}


@dataclass
class Index:
    """The part of the key service that knows ids, and how often it was asked."""

    ids: dict[str, list[str]] = field(
        default_factory=lambda: {word: [name] for word, name in IDS.items()}
    )
    asked: list[list[str]] = field(default_factory=list)

    def recognise(self, words: Sequence[str]) -> list[tuple[SubjectId, ...]]:
        self.asked.append(list(words))
        return [tuple(map(SubjectId, self.ids.get(word.casefold(), ()))) for word in words]


class Hours(SystemClock):
    """A clock that can be put forward."""

    later_s = 0.0

    def monotonic_s(self) -> float:
        return super().monotonic_s() + self.later_s


def identifier(index: Index) -> Identifier:
    return Identifier(index, SystemClock())  # type: ignore[arg-type]


def redact(asking: Identifier, text: str, own: frozenset[str] = frozenset()) -> Redacted:
    return asking.redact_all((text,), own)[0]


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("auc/P0017", "auc/sub_aaaaaaaaaaaaaaaa"),
        ("p0017_mask.png", "sub_aaaaaaaaaaaaaaaa_mask.png"),
        ("scans/STS_001/CT", "scans/sub_bbbbbbbbbbbbbbbb/CT"),
        ("patient 123456, again 123456", f"patient {'sub_c' * 4}, again {'sub_c' * 4}"),
        ("0.123456", "0.123456"),
        ("1.5e-3 and 12.123456e+05", "1.5e-3 and 12.123456e+05"),
        ("P00171", "P00171"),
        ("xP0017", "xP0017"),
        ("loss", "loss"),
        ("", ""),
    ],
)
def test_an_id_becomes_the_pseudonym_and_the_rest_stays(said: str, kept: str) -> None:
    assert redact(identifier(Index()), said).text == kept


def test_who_was_named_is_told_once() -> None:
    found = redact(identifier(Index()), "P0017 beside STS_001 beside p0017")
    assert found.subjects == ("sub_aaaaaaaaaaaaaaaa", "sub_bbbbbbbbbbbbbbbb")


@given(st.lists(st.sampled_from([*IDS, "ward", "epoch 3", "0.25", "résumé7", "\ud83d"])))
def test_no_id_is_left_whatever_stands_around_it(words: list[str]) -> None:
    text = redact(identifier(Index()), "; ".join(words)).text
    assert not any(word in text.casefold() for word in IDS)


@given(st.text(st.sampled_from(string.printable + "éß中\u0660"), max_size=80))
def test_a_text_without_ids_is_not_touched(text: str) -> None:
    assert redact(identifier(Index({})), text) == Redacted(text)


def test_an_id_that_two_hospitals_gave_means_the_patient_of_the_run() -> None:
    index = Index({"p0017": ["sub_a", "sub_b"]})
    asking = identifier(index)
    assert redact(asking, "P0017").text == "sub_a"
    assert redact(asking, "P0017", frozenset({"sub_b"})).text == "sub_b"
    assert asking.in_output(b"P0017", frozenset({"sub_b"})) == ("sub_b",)


def test_the_key_service_is_asked_once_for_many_texts_and_not_again() -> None:
    index = Index()
    asking = identifier(index)
    texts = [f"metric{n:03}" for n in range(500)]
    assert [one.text for one in asking.redact_all(texts)] == texts
    assert len(index.asked) == 1
    asking.redact_all(texts)
    assert len(index.asked) == 1
    redact(asking, "no digits here")
    assert len(index.asked) == 1


def test_a_patient_who_comes_later_is_found_soon() -> None:
    index, clock = Index({}), Hours()
    asking = Identifier(index, clock)  # type: ignore[arg-type]
    assert redact(asking, "P0017").text == "P0017"
    index.ids["p0017"] = ["sub_a"]
    clock.later_s = 21
    assert redact(asking, "P0017").text == "sub_a"


def test_ids_are_found_in_what_a_command_printed() -> None:
    printed = b"epoch 3: 0.123456\nworst is P0017,\xff\xfe (STS_001)\n" * 3
    found = identifier(Index()).in_output(printed)
    assert found == ("sub_aaaaaaaaaaaaaaaa", "sub_bbbbbbbbbbbbbbbb")


def test_names_that_come_again_cost_next_to_nothing() -> None:
    asking = identifier(Index())
    names = ["train/loss_1", "held_out_auc", "system/gpu_0_power", "fold3/P0017"]
    asking.redact_all(names)
    started_s = time.process_time()
    for _ in range(5000):
        asking.redact_all(names)
    assert (
        20_000 / (time.process_time() - started_s) > 10_000
    )  # a second; a tenth of it is ours
