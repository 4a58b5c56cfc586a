"""Sheets and records of earlier versions still open, by us and by docs/formats alone."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import struct
from itertools import combinations
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from shamir_mnemonic import combine_mnemonics

from cloister.keys.providers.file import FileProvider
from cloister.keys.providers.seam import Credential
from cloister.keys.service.shares import combine
from cloister.keys.sheets import ShareKit, read_sheet
from cloister.keys.values import ShareSet

GOLDEN = Path(__file__).parents[1] / "golden"
KNOWN: dict[str, Any] = json.loads((GOLDEN / "recovery-shares-1.json").read_text())
SCHEME = ShareSet(KNOWN["threshold"], KNOWN["count"], int(KNOWN["set"], 16))


def test_any_three_sheets_give_the_root_the_document_draws() -> None:
    raw = (GOLDEN / "root-record-2.bin").read_bytes()
    magic, version, root_id = struct.unpack_from(">4sB3x16s", raw)
    assert (len(raw), magic, version) == (512, b"CLRT", 2)
    assert hashlib.sha256(raw[:260]).digest() == raw[260:292]
    assert raw[292:] == bytes(220)
    scheme = raw[252:260]
    assert struct.unpack(">BBH4x", scheme) == (3, 5, int(KNOWN["set"], 16))
    salt, wrap = raw[144:160], raw[160:252]
    for three in combinations(KNOWN["shares"], 3):
        secret = combine_mnemonics(three)
        assert secret.hex() == KNOWN["secret"]
        derived = HKDF(SHA256(), 64, salt, b"cloister recovery v1").derive(secret)
        assert wrap[60:] == derived[32:]
        aad = b"cloister root-record v2 recovery" + root_id + salt + scheme
        root = AESGCM(derived[:32]).decrypt(wrap[:12], wrap[12:60], aad)
        assert root.hex() == KNOWN["root"]


def test_the_product_opens_it(tmp_path: Path) -> None:
    shutil.copyfile(GOLDEN / "root-record-2.bin", tmp_path / "root.record")
    provider = FileProvider(tmp_path)
    assert provider.shares() == SCHEME
    secret = combine(KNOWN["shares"][2:], SCHEME)
    FileProvider(tmp_path).unlock(Credential("recovery", secret))
    FileProvider(tmp_path).unlock(Credential("passphrase", KNOWN["passphrase"].encode()))


def test_an_old_page_and_an_old_sheet_still_read() -> None:
    page = (GOLDEN / "recovery-share-1.html").read_text()
    assert read_sheet(page) == KNOWN["shares"][0]
    sheet = (GOLDEN / "recovery-share-1.txt").read_text()
    numbered = dict(re.findall(r"(\d+) ([a-z]+)", sheet.partition("\n\n")[2]))
    words = [numbered[str(number)] for number in range(1, 24)]
    assert " ".join(words) == KNOWN["shares"][0]


def test_a_sheet_is_drawn_as_before() -> None:
    words = tuple(KNOWN["shares"])
    kit = ShareKit(KNOWN["lab"], SCHEME, words, "2026-01-01T00:00:00.000000Z")
    assert kit.sheet(1) == (GOLDEN / "recovery-share-1.txt").read_text()
    assert kit.page(1) == (GOLDEN / "recovery-share-1.html").read_text()
