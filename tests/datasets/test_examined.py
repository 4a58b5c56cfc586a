"""Facts and lists of checks as they are stored: docs/formats/record-facts.md, check-list.md."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloister.checks.findings import finding
from cloister.core.errors import Tampered
from cloister.datasets import examined
from cloister.datasets.versions import DatasetVersion
from cloister.workflows.data.check import listed
from tests.conftest import ROOT

GOLDEN = ROOT / "tests/golden"
FACTS = {
    "look": "decoded",
    "width": "640",
    "height": "480",
    "phash": "5583244bd7b9b429",
    "words": "sts_001\n002_ct",
}


@given(st.dictionaries(st.text(), st.text()))
def test_facts_come_back(facts: dict[str, str]) -> None:
    clean = {
        name.encode("utf-8", "backslashreplace").decode(): value.encode(
            "utf-8", "backslashreplace"
        ).decode()
        for name, value in facts.items()
    }
    assert examined.decode(examined.encode(facts)) == clean


def test_facts_of_version_1_are_read_for_ever() -> None:
    golden = bytes.fromhex((GOLDEN / "record-facts-1.hex").read_text())
    assert examined.decode(golden) == FACTS


@pytest.mark.parametrize("raw", [b"", b"\x00", zlib.compress(b"{"), zlib.compress(b"[1]")])
def test_what_are_no_facts_is_tampered(raw: bytes) -> None:
    with pytest.raises(Tampered):
        examined.decode(raw)


def test_facts_that_expand_without_end_are_refused() -> None:
    with pytest.raises(Tampered):
        examined.decode(zlib.compress(b'{"a":"' + b" " * (64 << 20) + b'"}'))


def test_a_check_list_of_version_1_is_what_the_page_draws() -> None:
    version = DatasetVersion("data1", 2, "ab" * 32, 3, 2, 100, "2026-01-01T00:00:00Z", 9)
    found = (
        finding("D202", ["rec_aaaaaaaaaaaaaaaa", "rec_bbbbbbbbbbbbbbbb"]),
        finding("D601", ["rec_bbbbbbbbbbbbbbbb"], where="lactate", detail="by ward"),
    )
    assert listed(version, found) == (GOLDEN / "check-list-1.json").read_bytes()
