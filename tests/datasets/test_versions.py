"""Names, leaves and roots of dataset versions."""

from __future__ import annotations

import hashlib
import json

import pytest

from cloister.core.errors import BadInput
from cloister.core.ids import BatchId, RecordId, SubjectId
from cloister.datasets.meta import RecordMeta
from cloister.datasets.records import Record
from cloister.datasets.versions import LabelMark, check_name, leaf, root


def record(number: int = 0) -> Record:
    return Record(
        place=number,
        record=RecordId(f"rec_{number:016d}"),
        batch=BatchId("bat_aaaaaaaaaaaaaaaa"),
        dataset="data1",
        subject=SubjectId("sub_aaaaaaaaaaaaaaaa"),
        kind="file",
        object="ab" * 32,
        size_bytes=3,
        seal=b"s" * 16,
        wrap=b"w",
        meta=b"sealed",
        commitment="cd" * 32,
        quarantine=None,
        added_in=1,
        removed_in=None,
    )


def test_a_leaf_is_what_the_format_draws() -> None:
    marks = [LabelMark("lbl_b", "02"), LabelMark("lbl_a", "01")]
    assert json.loads(leaf(record(), marks)) == {
        "commitment": "cd" * 32,
        "labels": [
            {"commitment": "01", "label": "lbl_a"},
            {"commitment": "02", "label": "lbl_b"},
        ],
        "meta": hashlib.sha256(b"sealed").hexdigest(),
        "object": "ab" * 32,
        "record": "rec_0000000000000000",
        "subject": "sub_aaaaaaaaaaaaaaaa",
    }


def test_the_root_changes_with_record_order_and_label() -> None:
    a, b = record(1), record(2)
    mark = {a.record: [LabelMark("lbl_a", "01")]}
    assert len({root([a, b], {}), root([b, a], {}), root([a], {}), root([a, b], mark)}) == 4


def test_the_wrap_is_no_part_of_a_version() -> None:
    """Wraps change when an owner does; the version's name must not."""
    assert root([record()], {}) == root([record()._replace(wrap=b"other")], {})


@pytest.mark.parametrize("name", ["", "1st", "a b", "ä", "a/b", "x" * 65, "-a", "a\n"])
def test_names_that_cannot_be_typed_or_may_hold_more_are_refused(name: str) -> None:
    with pytest.raises(BadInput):
        check_name(name)


@pytest.mark.parametrize("path", ["a/b.dcm", "\udcff\udcfe.bin", "new\nline", ""])
def test_metadata_round_trips_whatever_the_name(path: str) -> None:
    plain = RecordMeta(path, None, 0o644, 1_700_000_000_123_456_789, 4, {"Modality": "CT"})
    assert RecordMeta.decode(plain.encode()) == plain
