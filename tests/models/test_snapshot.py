"""The manifest of a pretrained model, as its format draws it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from cloister.models.snapshot import Manifest, SnapshotFile

GOLDEN = Path(__file__).parents[1] / "golden/hub-manifest-v1.json"
FILES = (
    SnapshotFile("onnx/vocab.txt", hashlib.sha256(b"a").hexdigest(), 1),
    SnapshotFile("config.json", hashlib.sha256(b"{}").hexdigest(), 2),
)


def test_the_manifest_is_what_the_golden_file_says() -> None:
    manifest = Manifest("ward/tiny-bert", "apache-2.0", FILES)
    assert manifest.document() == GOLDEN.read_bytes()
    assert manifest.sha256 == hashlib.sha256(GOLDEN.read_bytes()).hexdigest()


def test_name_licence_and_every_byte_make_it_another_model() -> None:
    manifest = Manifest("a", "mit", FILES)
    others = [
        Manifest("b", "mit", FILES),
        Manifest("a", "apache-2.0", FILES),
        Manifest("a", "mit", FILES[:1]),
        Manifest("a", "mit", (FILES[0], SnapshotFile("config.json", "0" * 64, 2))),
    ]
    assert len({manifest.sha256, *(one.sha256 for one in others)}) == 5
    assert manifest.sha256 == Manifest("a", "mit", FILES[::-1]).sha256


def test_the_golden_file_is_read_by_any_json_reader() -> None:
    value = json.loads(GOLDEN.read_text())
    assert [one["path"] for one in value["files"]] == ["config.json", "onnx/vocab.txt"]
