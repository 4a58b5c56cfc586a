"""What earlier versions wrote still reads, by us and by the words of docs/formats alone.

The readers here know the documents only: `hashlib`, `hmac`, `struct`, and AES-GCM, HKDF and
argon2id from a library. They share no code with the product.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import shutil
import sqlite3
import struct
from pathlib import Path
from typing import Any

import msgpack
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cloister.core.clock import SystemClock
from cloister.core.ids import RunId, SubjectId
from cloister.core.values import KeyRef
from cloister.keys import recovery, wire
from cloister.keys.journal import check_journal
from cloister.keys.providers.file import FileProvider
from cloister.keys.providers.seam import Credential
from cloister.keys.seal import open_field, open_sealed
from cloister.keys.service.journal import Journal
from cloister.keys.service.vault import Vault

GOLDEN = Path(__file__).parents[1] / "golden"
KNOWN: dict[str, Any] = json.loads((GOLDEN / "keys-1.json").read_text())
PLAIN = bytes(range(256)) * 6


def known(name: str) -> bytes:
    return bytes.fromhex(KNOWN[name])


def hkdf(key: bytes, size: int, salt: bytes | None, info: bytes) -> bytes:
    return HKDF(SHA256(), size, salt, info).derive(key)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for golden, name in (
        ("root-record-1.bin", "root.record"),
        ("epoch-record-1.bin", "epoch.record"),
        ("key-store-1.db", "keystore.db"),
    ):
        shutil.copyfile(GOLDEN / golden, tmp_path / name)
    return tmp_path


def documented_root() -> tuple[bytes, bytes, bytes]:
    """Root key by passphrase, by recovery code, and root id, as epoch-record.md draws them."""
    raw = (GOLDEN / "root-record-1.bin").read_bytes()
    magic, version, root_id, t, m, p = struct.unpack_from(">4sB3x16sIII", raw)
    assert (len(raw), magic, version) == (512, b"CLRT", 1)
    salt, wrap, salt_2, wrap_2 = raw[36:52], raw[52:144], raw[144:160], raw[160:252]
    assert hashlib.sha256(raw[:252]).digest() == raw[252:284]
    assert raw[284:] == bytes(228)
    slow = Argon2id(salt=salt, length=64, iterations=t, lanes=p, memory_cost=m)
    derived = slow.derive(KNOWN["passphrase"].encode())
    aad = b"cloister root-record v1 passphrase" + root_id + struct.pack(">III", t, m, p) + salt
    assert wrap[60:] == derived[32:]
    by_passphrase = AESGCM(derived[:32]).decrypt(wrap[:12], wrap[12:60], aad)
    derived = hkdf(known("recovery_secret"), 64, salt_2, b"cloister recovery v1")
    aad = b"cloister root-record v1 recovery" + root_id + salt_2
    assert wrap_2[60:] == derived[32:]
    by_recovery = AESGCM(derived[:32]).decrypt(wrap_2[:12], wrap_2[12:60], aad)
    return by_passphrase, by_recovery, root_id


def documented_kek() -> bytes:
    """The KEK of epoch 2, as epoch-record.md draws it."""
    root, _, root_id = documented_root()
    raw = (GOLDEN / "epoch-record-1.bin").read_bytes()
    assert len(raw) == 8192
    keks = []
    for slot in (raw[:4096], raw[4096:]):
        if hashlib.sha256(slot[:92]).digest() != slot[92:124]:
            continue
        magic, version, epoch, found = struct.unpack_from(">4sB3xQ16s", slot)
        assert (magic, version, epoch, found) == (b"CLEP", 1, KNOWN["epoch"], root_id)
        aad = b"cloister epoch-record v1" + slot[:32]
        keks.append(AESGCM(root).decrypt(slot[32:44], slot[44:92], aad))
    [kek] = keks
    return kek


def documented_row(folder: Path, owner: str) -> tuple[bytes, bytes]:
    """An owner's key and what follows it in its row, as key-store.md draws it."""
    keys = hkdf(documented_kek(), 64, None, b"cloister epoch v1")
    with sqlite3.connect(folder / "keystore.db") as store:
        [(sealed,)] = store.execute(
            "SELECT sealed FROM owner WHERE id = ?", (owner,)
        ).fetchall()
    store.close()
    aad = b"cloister key-row v1" + struct.pack(">Q", KNOWN["epoch"]) + owner.encode()
    assert sealed[0] == 1
    plain = AESGCM(keys[:32]).decrypt(sealed[1:13], sealed[13:], aad)
    return plain[:32], plain[32:]


def test_both_secrets_give_the_root_the_document_draws() -> None:
    by_passphrase, by_recovery, _ = documented_root()
    assert by_passphrase == by_recovery


def test_row_reads_as_the_document_says(folder: Path) -> None:
    _, identity = documented_row(folder, KNOWN["subject"])
    length = struct.unpack(">I", identity[:4])[0]
    assert identity[4 : 4 + length].decode() == KNOWN["issuer"]
    assert identity[4 + length :] == known("local_id_utf8_surrogatepass")
    mac_key = hkdf(documented_kek(), 64, None, b"cloister epoch v1")[32:]
    assert hmac.digest(mac_key, identity, "sha256")[:16] == known("mac")
    assert documented_row(folder, KNOWN["run"])[1] == b""


def test_wrap_and_object_read_as_the_document_says(folder: Path) -> None:
    subject_key, _ = documented_row(folder, KNOWN["subject"])
    wrap, seal_id = known("wrap"), known("seal_id")
    aad = b"cloister key-wrap v1" + seal_id + KNOWN["subject"].encode()
    cipher = AESGCM(hkdf(subject_key, 64, None, b"cloister owner v1")[:32])
    assert wrap[0] == 1
    object_key = cipher.decrypt(wrap[1:13], wrap[13:], aad)
    assert object_key == known("object_key")

    raw = (GOLDEN / "sealed-object-1.bin").read_bytes()
    magic, version, prefix, frame_size, found, commitment = struct.unpack(
        ">4sB7sI16s32s", raw[:64]
    )
    assert (magic, version, frame_size, found) == (b"CLSO", 1, 1024, seal_id)
    okm = hkdf(object_key, 64, seal_id, b"cloister sealed-object v1")
    assert commitment == okm[32:]
    frames, tags = [raw[64:1088], raw[1088:-32]], [raw[-32:-16], raw[-16:]]
    plain = b"".join(
        AESGCM(okm[:32]).decrypt(
            prefix + struct.pack(">IB", n, n == 1), frames[n] + tags[n], raw[:64]
        )
        for n in (0, 1)
    )
    assert plain == PLAIN
    assert hashlib.sha256(plain).hexdigest() == KNOWN["plaintext_sha256"]


def test_field_reads_as_the_document_says() -> None:
    field = known("field")
    key = hkdf(known("object_key"), 32, None, b"cloister sealed-field v1 path")
    aad = b"cloister sealed-field v1" + b"\x00\x04" + b"path" + b"rec_1"
    assert AESGCM(key).decrypt(field[1:13], field[13:], aad) == b"ward/3.dcm"


def test_today_s_product_opens_all_of_it(folder: Path) -> None:
    for credential in (
        Credential("passphrase", KNOWN["passphrase"].encode()),
        Credential("recovery", known("recovery_secret")),
    ):
        vault = Vault(folder, FileProvider(folder), SystemClock())
        vault.start()
        vault.unlock(credential)
        assert (vault.lab, vault.epoch) == (KNOWN["lab"], KNOWN["epoch"])
        assert vault.lab_keys.public_keys() == KNOWN["public_keys"]
        subject, erased = SubjectId(KNOWN["subject"]), SubjectId(KNOWN["erased"])
        local_id = known("local_id_utf8_surrogatepass").decode("utf-8", "surrogatepass")
        with vault.keyring() as keyring:
            assert keyring.identities([subject, erased, RunId(KNOWN["run"])]) == [
                (KNOWN["issuer"], local_id),
                None,
                None,
            ]
            assert keyring.open(
                [
                    KeyRef(subject, known("seal_id"), known("wrap")),
                    KeyRef(erased, known("lost_seal_id"), known("lost_wrap")),
                ]
            ) == [known("object_key"), None]
            mark = hashlib.sha256(b"x").digest()
            key = keyring._live([subject])[subject].fingerprint(mark)
            assert keyring.store.fingerprints([(subject, key)]) == {(subject, key): "ab" * 32}
        entries = Journal(vault.store, SystemClock()).entries(0, 10)
        assert [entry.verb for entry in entries] == ["grants", "erase"]
        check_journal(entries)
        vault.close()


def test_today_s_product_opens_the_object_and_the_field() -> None:
    raw = (GOLDEN / "sealed-object-1.bin").read_bytes()
    object_key, seal_id = known("object_key"), known("seal_id")
    assert open_sealed(raw, object_key, seal_id) == PLAIN
    assert open_field(object_key, "path", known("field"), b"rec_1") == b"ward/3.dcm"


def test_journal_entry_is_chained_as_the_document_says(folder: Path) -> None:
    with sqlite3.connect(folder / "keystore.db") as store:
        rows = store.execute("SELECT * FROM journal ORDER BY number").fetchall()
    store.close()
    before = b""
    for row in rows:
        fields = json.dumps(list(row[:8]), separators=(",", ":"), ensure_ascii=False)
        before = hashlib.sha256(b"cloister journal v1" + before + fields.encode()).digest()
        assert before == row[8]
    assert len(rows) == 2


def test_recovery_code_reads_as_the_document_says() -> None:
    sheet = (GOLDEN / "recovery-kit-1.txt").read_text()
    [code] = [line.split()[1] for line in sheet.splitlines() if line.startswith("code")]
    number = 0
    for letter in code.replace("-", ""):
        number = number * 32 + "0123456789ABCDEFGHJKMNPQRSTVWXYZ".index(letter)
    secret = (number >> 20).to_bytes(20, "big")
    digest = hashlib.sha256(b"cloister recovery code v1" + secret).digest()
    assert number & 0xFFFFF == int.from_bytes(digest[:3], "big") >> 4
    assert secret == known("recovery_secret") == recovery.read_code(code)
    kit = recovery.RecoveryKit(KNOWN["lab"], code, "2026-01-01T00:00:00.000000Z")
    assert kit.text() == sheet
    document = Path(__file__).parents[2] / "docs/formats/recovery-kit.md"
    assert sheet.split("\n\n")[0] in document.read_text()


def test_messages_read_as_the_document_says() -> None:
    lines = (GOLDEN / "keyd-protocol-1.hex").read_text().splitlines()
    messages = {name: bytes.fromhex(text) for name, text in map(str.split, lines)}
    for raw in messages.values():
        assert struct.unpack(">I", raw[:4])[0] == len(raw) - 4
    request, reply, error = (msgpack.unpackb(raw[4:]) for raw in messages.values())
    assert request == {
        "v": wire.PROTOCOL,
        "verb": "open",
        "lease": bytes(range(32)),
        "arguments": {"refs": [[KNOWN["subject"], known("seal_id"), known("wrap")]]},
    }
    assert reply == {"ok": True, "value": [known("object_key")]}
    raised = wire.raised(error)
    assert (raised.code, raised.exit_status) == ("E301", 4)
