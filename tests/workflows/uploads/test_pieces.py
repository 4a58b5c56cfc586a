"""The bytes of a piece, as docs/formats/upload.md draws them."""

from __future__ import annotations

import pytest

from cloister.core.errors import Tampered
from cloister.keys.seal import open_sealed
from cloister.workflows.uploads._pieces import placed, split
from tests.conftest import ROOT

UPLOAD, INDEX, OFFSET = "upl_aaaabbbbccccdddd", 3, 8 << 20


def golden() -> bytes:
    return bytes.fromhex((ROOT / "tests/golden/upload-piece-1.hex").read_text())


def test_a_piece_written_once_is_read_for_ever() -> None:
    seal_id, wrap, body = split(golden())
    assert (seal_id, wrap) == (bytes(range(16)), b"w" * 60)
    plain = open_sealed(body, bytes(range(32)), seal_id)
    assert placed(plain, UPLOAD, INDEX, OFFSET) == b"the last bytes of a file\n"
    for other in (("upl_" + "a" * 16, INDEX, OFFSET), (UPLOAD, 2, OFFSET), (UPLOAD, INDEX, 0)):
        with pytest.raises(Tampered):
            placed(plain, *other)


@pytest.mark.parametrize("raw", [b"", b"CLUP\x01", b"CLUP\x02" + bytes(40)])
def test_what_is_no_piece_is_refused(raw: bytes) -> None:
    with pytest.raises(Tampered):
        split(raw)
