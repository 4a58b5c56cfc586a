"""What version 1 wrote to a backup still reads, by us and by docs/formats/backup.md alone."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest

from cloister.core.encoding import to_bytes
from cloister.core.errors import Tampered
from cloister.core.ids import CollectionId, LabId
from cloister.keys.seal import open_sealed
from cloister.recovery.save import MARK, BlobRef, key_of, number_of, open_save, save_key
from cloister.recovery.target import Marker
from tests.conftest import ROOT

GOLDEN = ROOT / "tests/golden"
KNOWN: dict[str, Any] = json.loads((GOLDEN / "backup-1.json").read_text())
SEALED = (GOLDEN / "backup-save-1.bin").read_bytes()
KEY = bytes.fromhex(KNOWN["object_key"])


def test_a_save_reads_as_it_was_written() -> None:
    save = open_save(SEALED, KEY)
    assert (save.number, save.first, save.end, save.previous) == (2, 7, 9, "ab" * 32)
    assert save.blobs == (BlobRef("raw/packs/ab/" + "ab" * 32, 1234),)
    assert json.loads(save.leaves[0])["type"] == "lab.created"
    assert save.leaves[1] == b"{}"
    assert list(save.files) == ["cloister.toml"]


def test_a_save_reads_by_the_words_of_its_page() -> None:
    assert SEALED[:16] == b"cloister save 1\n"
    (length,) = struct.unpack_from(">I", SEALED, 16)
    ref = json.loads(SEALED[20 : 20 + length])
    assert set(ref) == {"owner", "seal", "wrap"}
    plain = open_sealed(SEALED[20 + length :], KEY, to_bytes(ref["seal"]))
    parts, at = [], 0
    while at < len(plain):
        (size,) = struct.unpack_from(">I", plain, at)
        parts.append(plain[at + 4 : at + 4 + size])
        at += 4 + size
    header = json.loads(parts[0])
    page = (ROOT / "docs/formats/backup.md").read_text()
    for name in header:
        assert f"| `{name}` |" in page
    assert header["format"] == 1
    assert len(parts) == 3


def test_the_marker_reads_and_is_written_the_same() -> None:
    raw = KNOWN["marker"].encode()
    marker = Marker.decode(raw)
    assert marker.lab == LabId("lab_aaaaaaaaaaaaaaaa")
    assert marker.owner == CollectionId("col_aaaaaaaaaaaaaaaa")
    assert marker.encode() == raw


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b'{"format":1}', b"\xff", b"null"])
def test_what_is_no_marker_is_refused(raw: bytes) -> None:
    with pytest.raises(Tampered):
        Marker.decode(raw)


@pytest.mark.parametrize(
    "raw", [b"", MARK, MARK + b"\0\0\0\2{}", b"x" * 40, MARK + b"\xff" * 9]
)
def test_what_is_no_save_is_refused(raw: bytes) -> None:
    with pytest.raises(Tampered):
        key_of(raw)


def test_saves_lie_a_thousand_to_a_folder() -> None:
    assert save_key(1) == "saves/000000/000000001"
    assert save_key(12_345) == "saves/000012/000012345"
    assert number_of(save_key(12_345)) == 12_345
    with pytest.raises(Tampered):
        number_of("saves/000001/000000001")
