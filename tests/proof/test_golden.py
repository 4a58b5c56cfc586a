from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cloister.core.ids import RecordId, SubjectId
from cloister.datasets import versions
from cloister.datasets.records import Record
from cloister.proof.certificate import verify_certificate
from cloister.proof.statement import verify_statement
from cloister.proof.trust import LabKeys
from tests.ledger.lab import verify
from tests.proof.golden import BUNDLE, CONVERTED, GOLDEN, write_all
from tests.proof.verifying import judge, verifier

KEYS = LabKeys.parse((GOLDEN / "bundle-v1.lab.pub").read_text())


def test_old_bundle_is_verified() -> None:
    for name in (BUNDLE, CONVERTED):
        verdict = judge(GOLDEN / name, GOLDEN / f"{name}.lab.pub")
        assert verdict.verified, verdict.reason


def test_writer_still_writes_these_bytes(tmp_path: Path) -> None:
    write_all(tmp_path)
    for file in sorted(tmp_path.rglob("*")):
        if file.is_file():
            golden = GOLDEN / file.relative_to(tmp_path)
            assert file.read_bytes() == golden.read_bytes(), golden.name


def test_old_statement_and_certificate_are_read() -> None:
    envelope = (GOLDEN / "statement-v1.dsse.json").read_bytes()
    payload = (GOLDEN / "statement-v1.json").read_bytes()
    assert verify_statement(envelope, KEYS.statement, verify).payload == payload
    newer = LabKeys.parse((GOLDEN / "bundle-v1-converted.lab.pub").read_text())
    envelope = (GOLDEN / "statement-v2.dsse.json").read_bytes()
    payload = (GOLDEN / "statement-v2.json").read_bytes()
    assert verify_statement(envelope, newer.statement, verify).payload == payload
    envelope = (GOLDEN / "erasure-certificate-v1.dsse.json").read_bytes()
    assert verify_certificate(envelope, KEYS.statement, verify).keys.level == "L1"


@pytest.fixture
def leaves() -> list[bytes]:
    return (GOLDEN / "dataset-version-v1.jsonl").read_bytes().splitlines()


def test_verifier_and_datasets_find_the_golden_root(leaves: list[bytes]) -> None:
    """Two implementations of docs/formats/dataset-version.md, and the file."""
    root = (GOLDEN / "dataset-version-v1.root").read_text().strip()
    tree = verifier.Tree()
    for leaf in leaves:
        tree.add(leaf)
    assert tree.root() == root
    found, labels = [], {}
    events = (GOLDEN / BUNDLE / "events.jsonl").read_bytes().splitlines()
    for place, event in enumerate(map(json.loads, events)):
        body = event["body"]
        if event["type"] == "record.added":
            found.append(record_of(place, body))
        if event["type"] == "label.added":
            mark = versions.LabelMark(body["label"], body["commitment"])
            labels.setdefault(body["record"], []).append(mark)
    assert [versions.leaf(one, labels.get(one.record, ())) for one in found] == leaves
    assert versions.root(found, labels) == root


def record_of(place: int, body: dict[str, Any]) -> Record:
    known = dict.fromkeys(Record._fields) | {
        "place": place,
        "record": RecordId(body["record"]),
        "subject": SubjectId(body["subject"]),
        "object": body["object"],
        "meta": verifier.unbase64(body["meta"], "meta"),
        "commitment": body["commitment"],
    }
    return Record(**known)
