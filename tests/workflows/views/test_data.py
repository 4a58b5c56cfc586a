"""What the pages of data show, to whom, and what of it is on record as read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloister.core.errors import NotAllowed, NotFound
from cloister.workflows.lab import Lab
from cloister.workflows.people.projects import create_project
from cloister.workflows.views import access, data, diff, findings
from tests.workflows.people.conftest import Team
from tests.workflows.views.furnished import furnished, team

__all__ = ["furnished", "team"]


def events(lab: Lab, after: int = 0) -> list[Any]:
    with lab.database.read() as tx:
        return [one.event for one in lab.reader.events(tx, after)]


def size(lab: Lab) -> int:
    return lab.read(lab.reader.head).size


def test_a_dataset_is_listed_with_its_newest_version_and_what_was_found(team: Team) -> None:
    (line,) = data.datasets(team.lab)
    assert (line.name, line.versions, line.quarantined) == ("scans", 2, 0)
    assert line.unfinished is None
    assert line.latest is not None
    assert line.latest.number == 2
    assert line.checked is None  # the second was added without
    assert line.source is not None
    assert line.source.endswith("/scans")


def test_a_version_says_what_it_holds(team: Team) -> None:
    page = data.version(team.lab, "scans@1")
    assert (page.version.records, page.version.subjects, page.newest) == (12, 6, 2)
    assert page.tags == ("first",)
    assert [(one.kind, one.records) for one in page.kinds] == [("file", 12)]
    assert [(one.schema, one.records) for one in page.labels] == [("finding", 12)]
    (split,) = page.splits
    assert [one.part for one in split.parts] == ["train", "test"]
    assert sum(one.records for one in split.parts) == 12
    assert sum(one.subjects for one in split.parts) == 6
    assert page.runs == 1
    assert {one.code for one in page.findings} >= {"D202"}
    assert page.may.retract is False
    assert "not the newest" in str(page.may.kept_because)


def test_names_are_shown_where_asked_for_and_that_is_on_record(team: Team) -> None:
    before = size(team.lab)
    plain = data.record_page(team.lab, "scans@1", most=5)
    assert (len(plain.items), plain.total) == (5, 12)
    assert all(one.path is None and not one.labels for one in plain.items)
    assert size(team.lab) == before
    assert plain.next is not None
    rest = data.record_page(team.lab, "scans@1", after=plain.next, most=100, names=True)
    assert (len(rest.items), rest.next) == (7, None)
    assert all(str(one.path).startswith("P0") for one in rest.items)
    assert {label for one in rest.items for label in one.labels} == {
        ("finding", "ill"),
        ("finding", "well"),
    }
    kinds = [one.type for one in events(team.lab, before)]
    assert kinds == ["read.begun", "read.ended"]


def test_the_balance_of_classes_reads_labels_and_says_so(team: Team) -> None:
    before = size(team.lab)
    (found,) = data.balance(team.lab, "scans@1")
    assert dict(found.values) == {"ill": 4, "well": 8}
    assert (found.missing, found.others, found.erased) == (0, 0, 0)
    begun = events(team.lab, before)[0]
    assert (begun.type, begun.body["purpose"]) == ("read.begun", "balance")


def test_findings_name_their_records_for_who_may_read(team: Team) -> None:
    found = findings.findings(team.lab, "scans@1")
    assert found.readable
    listed = {one.code: one for one in findings.listed(team.lab, "scans@1")}
    twice = listed["D202"]
    assert twice.severity == "error"
    assert len(twice.records) == 2
    auditor = team.member("reads no data", "auditor")
    assert not findings.findings(auditor, "scans@1").readable
    with pytest.raises(NotAllowed):
        findings.listed(auditor, "scans@1")


def test_a_version_that_was_not_checked_has_no_list(team: Team) -> None:
    assert findings.findings(team.lab, "scans@2").checked is None
    with pytest.raises(NotFound, match="was not checked"):
        findings.listed(team.lab, "scans@2")


def test_a_picture_is_a_reading_of_its_record(team: Team) -> None:
    pictures = findings.Pictures()
    record = data.record_page(team.lab, "scans@1", most=1).items[0].record
    before = size(team.lab)
    try:
        assert pictures.thumbnail(team.lab, record).startswith(b"\x89PNG")
        begun, ended = events(team.lab, before)
        assert (begun.body["purpose"], begun.body["record"]) == ("look", record)
        assert ended.body["records"] == 1
        with pytest.raises(NotAllowed):
            pictures.thumbnail(team.member("only audits", "auditor"), record)
    finally:
        pictures.close()


def test_two_versions_differ_by_what_came(team: Team) -> None:
    found = diff.difference(team.lab, "scans@1", "scans@2")
    assert (found.added, found.removed, found.relabelled, found.unchanged) == (1, 0, 0, 12)
    assert [(one.how, one.path) for one in found.items] == [("added", None)]
    named = diff.difference(team.lab, "scans@1", "scans@2", names=True)
    assert [one.path for one in named.items] == ["P005/2.png"]
    backwards = diff.difference(team.lab, "scans@2", "scans@1")
    assert (backwards.added, backwards.removed) == (0, 1)


def test_access_says_who_when_what_for_and_why(team: Team) -> None:
    data.balance(team.lab, "scans@1")
    page = access.access(team.lab, "scans@1", most=3)
    assert len(page.items) == 3
    assert page.next is not None
    whole = access.access(team.lab, "scans@1", most=1000)
    assert whole.next is None
    assert whole.total == len(whole.items)
    purposes = {one.purpose for one in whole.items}
    assert {"check", "run", "look", "balance"} <= purposes
    assert len(whole.runs) == 1
    assert all("may" in one.why for one in whole.items)
    assert sorted((one.place for one in whole.items), reverse=True) == [
        one.place for one in whole.items
    ]
    older = access.access(team.lab, "scans@1", before=page.next, most=1000)
    assert len(older.items) == whole.total - 3
    with pytest.raises(NotAllowed):
        access.access(team.member("labels", "annotator"), "scans@1")


def test_another_projects_member_sees_nothing_of_it(team: Team) -> None:
    create_project(team.lab, "elsewhere")
    outsider = team.member("from elsewhere", "engineer", "elsewhere")
    assert data.datasets(outsider) == ()
    for look in (data.version, data.record_page, findings.findings, access.access):
        with pytest.raises(NotFound):
            look(outsider, "scans@1")
    with pytest.raises(NotFound):
        data.balance(outsider, "scans@1")
    with pytest.raises(NotFound):
        diff.difference(outsider, "scans@1", "scans@2")
    record = data.record_page(team.lab, "scans@1", most=1).items[0].record
    with pytest.raises(NotFound):
        findings.Pictures().thumbnail(outsider, record)


def test_looking_is_no_use_of_a_version(team: Team) -> None:
    """How else would anybody see that it is wrong?"""
    newest = data.record_page(team.lab, "scans@2").items[-1].record
    pictures = findings.Pictures()
    pictures.thumbnail(team.lab, newest)
    pictures.close()
    data.balance(team.lab, "scans@2")
    assert data.version(team.lab, "scans@2").may.retract
    assert json.dumps(data.version(team.lab, "scans@2").tags) == "[]"
