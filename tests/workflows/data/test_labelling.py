"""Labels find their records: in a table of many patients, without going through it for each."""

from __future__ import annotations

import time

from cloister.core.ids import BatchId, RecordId, SubjectId
from cloister.core.subjects import Identity
from cloister.datasets.records import Record
from cloister.labels.parse import LabelRow
from cloister.workflows.data._labelling import _Desk

ROWS = 20_000
LONGEST_S = 10.0
"""Of the processor, a hundred times what it takes; going through all for each takes minutes."""


def test_a_row_of_a_large_table_is_found_without_going_through_the_others() -> None:
    table = [record(number) for number in range(ROWS)]
    elsewhere = record(ROWS, "sub_a00000")
    desk = _Desk(
        dataset="stays",
        keys={},
        by_path={"t.csv": table, "scan.dcm": [elsewhere]},
        path_of={one.record: "t.csv" for one in table} | {elsewhere.record: "scan.dcm"},
        by_subject={one.subject: [one] for one in table},
        in_force={},
    )
    desk.by_subject[table[0].subject].append(elsewhere)
    people = {Identity("local", f"Q{one.place}"): SubjectId(one.subject) for one in table}
    began_s = time.process_time()
    found = [desk.find(LabelRow(2, who, None, "stay", "3"), people, "t.csv") for who in people]
    assert time.process_time() - began_s < LONGEST_S
    assert found == [[one] for one in table]  # the row alone, not the subject's scan
    apart = LabelRow(2, Identity("local", "Q0"), None, "stay", "3")
    assert desk.find(apart, people, None) == [table[0], elsewhere]


def record(number: int, subject: str | None = None) -> Record:
    """Row ``number``, of a patient of its own unless of ``subject``."""
    return Record(
        place=number,
        record=RecordId(f"rec_a{number:05}"),
        batch=BatchId("bat_a"),
        dataset="stays",
        subject=SubjectId(subject or f"sub_a{number:05}"),
        kind="row",
        object=None,
        size_bytes=0,
        seal=b"",
        wrap=b"",
        meta=b"",
        commitment=None,
        quarantine=None,
        added_in=1,
        removed_in=None,
    )
