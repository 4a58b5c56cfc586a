"""Claim: checks learn much about patients and give nothing away.

What they learn is sealed with each patient's data and dies with it; no id that a hospital gave
leaves the key service by them; what decodes hostile files holds nothing and stops nothing.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cloister.checks.looking import Asked, Looker
from cloister.core.errors import NotAllowed
from cloister.core.ids import key_id
from cloister.core.values import KeyRef
from cloister.datasets import examined
from cloister.keys.client import KeyClient
from cloister.keys.launch import read_lease
from cloister.keys.seal import open_field
from tests.attacks.byte_search import ByteSearch
from tests.checks.pictures import encoded, photograph, png, saved, scan, with_text
from tests.conftest import Shell

PATTERN = ("--subject-pattern", r"^(KX\d+)")


@pytest.fixture
def ward(lab: Shell) -> Shell:
    """Six pictures of six patients, the last like the first, added and checked."""
    folder = lab.folder / "ward"
    folder.mkdir()
    for n in range(5):
        (folder / f"KX{n}48213.png").write_bytes(encoded(photograph(n)))
    shutil.copy(folder / "KX048213.png", folder / "KX548213.png")
    lab("add", "ward", *PATTERN)
    return lab


def keys(shell: Shell) -> KeyClient:
    """The owner's own way to the key service: all that an insider of the lab has."""
    (socket,) = shell.home.glob("run/cloister/*/keyd.sock")
    return KeyClient(socket, read_lease(socket.with_name("owner.lease")))


def facts(shell: Shell) -> Iterator[tuple[str, bytes, dict[str, str] | None]]:
    """(subject, sealed, facts or None where no key opens them) of every record."""
    rows = shell.sql(
        "SELECT record, subject, seal, wrap, facts FROM record JOIN examined USING (record)"
    )
    with keys(shell) as client:
        for record, subject, seal, wrap, sealed in rows:
            (key,) = client.open([KeyRef(key_id(subject), seal, wrap)])
            if key is None:
                yield subject, sealed, None
            else:
                raw = open_field(key, examined.PURPOSE, sealed, record.encode())
                yield subject, sealed, dict(examined.decode(raw))


def leaves(shell: Shell) -> list[dict[str, object]]:
    rows = shell.sql("SELECT leaf FROM ledger_leaf ORDER BY position")
    return [json.loads(leaf) for (leaf,) in rows]


@pytest.mark.file_database
def test_a_hash_of_an_erased_patients_image_opens_for_nobody(ward: Shell) -> None:
    subject = ward.json("subject", "pseudonym", "-", typed="KX048213\n")["subject"]
    assert all(found and "phash" in found for _, _, found in facts(ward))
    ward("erase", "-", "--reason", "withdrawn", "--yes", typed="KX048213\n")
    found = list(facts(ward))
    assert [one for one, _, opened in found if opened is None] == [subject]
    assert len(found) == 6
    ward("check")
    assert [one for one, _, opened in facts(ward) if opened is None] == [subject]


def test_what_an_image_looks_like_stands_nowhere_in_plain(ward: Shell) -> None:
    known = [found for _, _, found in facts(ward) if found]
    files = [ward.home / "cloister-lab" / name for name in ("lab.db", "lab.db-wal")]
    database = b"".join(file.read_bytes() for file in files if file.exists())
    for one in known:
        for name in ("phash", "pixels", "thumb"):
            assert one[name].encode() not in database
        assert bytes.fromhex(one["phash"]) not in database


def test_a_report_closes_with_the_first_patient_it_names(ward: Shell) -> None:
    (checked,) = [one for one in leaves(ward) if one["type"] == "version.checked"]
    named = checked["body"]["subjects"]  # type: ignore[index]
    subject = ward.json("subject", "pseudonym", "-", typed="KX548213\n")["subject"]
    assert subject in named
    ward("erase", "-", "--reason", "withdrawn", "--yes", typed="KX548213\n")
    assert "E400" in ward("check", "--kept", status=5).stderr
    body = checked["body"]
    with keys(ward) as client:
        for what in ("list", "report"):
            sealed = body[what]  # type: ignore[index]
            ref = KeyRef(
                key_id(body["collection"]),  # type: ignore[index]
                _bytes(sealed["seal"]),
                _bytes(sealed["wrap"]),
            )
            assert client.open([ref]) == [None]


def _bytes(text: str) -> bytes:
    from cloister.core.encoding import to_bytes

    return to_bytes(text)


def test_no_id_is_in_findings_report_or_ledger(lab: Shell) -> None:
    folder = lab.folder / "ward"
    folder.mkdir()
    ids = [f"KX{n}7350961" for n in range(6)]
    for n, name in enumerate(ids):
        other = ids[(n + 1) % 6]
        gray = photograph(n)[..., 0].astype(np.uint16)
        made = scan(gray, name, StudyDescription=f"see {other}", ImageComments=f"of {name}")
        (folder / f"{name}.dcm").write_bytes(saved(made))
        (folder / f"{name}.txt").write_text(f"{name} and {other}\n")
    said = lab("--json", "add", "ward", "--subject-pattern", r"^(KX\d+)")
    codes = {one["code"] for one in json.loads(said.stdout)["checks"]["findings"]}
    assert {"D701", "D702", "D703"} <= codes
    shown = lab("check", "--report", "page.html")
    page = (lab.folder / "page.html").read_bytes()
    search = ByteSearch(ids)
    for text in (said.stdout, said.stderr, shown.stdout, shown.stderr):
        assert search.in_bytes(text.encode()) == []
    assert search.in_bytes(page) == []
    assert search.in_bytes(json.dumps(leaves(lab)).encode()) == []


def test_recognising_words_needs_a_lease_for_everybody_and_gives_pseudonyms(
    ward: Shell,
) -> None:
    with keys(ward) as client:
        (found,) = client.recognise(["kx048213"])
        assert [name[:4] for name in found] == ["sub_"]
        assert client.recognise(["kx0482"]) == [()]
        narrow = client.lease("x", ["recognise"], [found[0]], 60)
        other = client.lease("x", ["open"], None, 60)
    (socket,) = ward.home.glob("run/cloister/*/keyd.sock")
    for lease in (narrow, other):
        with KeyClient(socket, lease) as client, pytest.raises(NotAllowed):
            client.recognise(["kx048213"])


def test_an_erased_patients_id_is_recognised_no_more(ward: Shell) -> None:
    with keys(ward) as client:
        assert client.recognise(["kx048213"]) != [()]
    ward("erase", "-", "--reason", "withdrawn", "--yes", typed="KX048213\n")
    with keys(ward) as client:
        assert client.recognise(["kx048213", "kx148213"])[0] == ()
        assert client.recognise(["kx148213"]) != [()]


BOMBS = {
    "claim.png": png(65_000, 65_000, b"\0"),
    "wide.png": png(1 << 30, 1, b"\0"),
    "full.png": png(16_000, 17_000, bytes(1 << 20)),
    "claim.dcm": saved(
        scan(np.eye(8), "KX948213", Rows=65_000, Columns=65_000, NumberOfFrames=9)
    ),
}


def test_a_bomb_of_pixels_is_told_and_the_add_goes_on(lab: Shell) -> None:
    folder = lab.folder / "ward"
    folder.mkdir()
    for n, (name, content) in enumerate(BOMBS.items()):
        (folder / f"KX{n}48213-{name}").write_bytes(content)
    (folder / "KX848213.png").write_bytes(encoded(photograph(1)))
    report = lab.json("add", "ward", *PATTERN)
    codes = {one["code"]: one["count"] for one in report["checks"]["findings"]}
    # The scan lacks its pixels, which the reader sees by itself.
    assert report["quarantined"] == {"dicom-pixels": 1}
    assert codes["D101"] == 1
    assert codes["D106"] == 3


def test_whoever_decodes_is_bounded_and_holds_nothing(tmp_path: Path) -> None:
    with Looker(seconds=20) as looker:
        list(looker.facts([Asked("r", "file", "a.png", encoded(photograph(1)))]))
        child = looker._child
        assert child is not None
        place = Path(f"/proc/{child.pid}")
        limits = (place / "limits").read_text()
        opened = sorted(int(one) for one in os.listdir(place / "fd"))
        variables = (place / "environ").read_bytes()
    assert opened == [0, 1, 2]
    bounded = {line[:25].strip(): line[26:].split()[:2] for line in limits.splitlines()}
    assert bounded["Max address space"] == [str(3 << 30)] * 2
    assert bounded["Max file size"] == ["0", "0"]
    assert bounded["Max core file size"] == ["0", "0"]
    for name in (b"CLOISTER", b"XDG_", b"HOME", b"SSH_", b"TOKEN"):
        assert name not in variables


def test_an_endless_record_is_given_up_and_the_next_is_looked_into(tmp_path: Path) -> None:
    endless = tmp_path / "tesseract"
    endless.write_text("#!/bin/sh\nexec sleep 1000\n")
    endless.chmod(0o755)
    picture = encoded(with_text(photograph(1)))
    asked = [
        Asked("slow", "file", "a.png", picture, read_text=True),
        Asked("next", "file", "b.png", picture),
    ]
    with Looker(str(endless), seconds=5) as looker:
        found = {one.record: facts["look"] for one, facts in looker.facts(asked)}
    assert found == {"slow": "endless", "next": "decoded"}
