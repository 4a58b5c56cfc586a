"""Claim: each entry of any folder is accounted for, and nothing outside it is read."""

from __future__ import annotations

import ctypes
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest

from cloister.biobank import Item, Quarantine, SubjectRules, join
from cloister.biobank.tree import survey
from cloister.biobank.walk import walk
from cloister.core.errors import BadInput, FileChanged

ANYBODY = SubjectRules(pattern=r"(?s)\A(.{1,3})")
T = TypeVar("T")


def codes(root: Path, rules: SubjectRules = ANYBODY) -> dict[str, str | None]:
    return {item.path: item.quarantine for item in walk(root, rules)}


# Names


@pytest.mark.parametrize(
    "name", ["a\nb", "..a", "...", " ", "-rf", "\x1b[2J", "a\\b", "é" * 100]
)
def test_odd_names_are_kept_as_they_are(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"1")
    (item,) = walk(tmp_path, SubjectRules(pattern=r"(?s)(.*)"))
    assert item.path == name
    assert item.content == b"1"


def test_a_name_that_is_not_utf8_is_kept_byte_for_byte(tmp_path: Path) -> None:
    name = b"scan\xff\xfe\n.bin"
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(b"1")
    (item,) = walk(tmp_path, SubjectRules(pattern="(scan)"))
    assert os.fsencode(item.path) == name
    assert item.quarantine is None
    (item,) = walk(tmp_path, SubjectRules(pattern="(?s)(.*)"))  # the id itself is not text
    assert item.quarantine is Quarantine.BAD_SUBJECT


def nested(root: Path, names: list[str]) -> None:
    """Folders in folders, made step by step: the whole path may be longer than any allowed."""
    at = os.open(root, os.O_DIRECTORY)
    for name in names:
        os.mkdir(name, dir_fd=at)
        below = os.open(name, os.O_DIRECTORY, dir_fd=at)
        os.close(at)
        at = below
    os.close(os.open("end", os.O_CREAT | os.O_WRONLY, dir_fd=at))
    os.close(at)


def test_a_path_of_4_kb_is_named_as_too_long(tmp_path: Path) -> None:
    nested(tmp_path, ["d" * 250] * 20)
    (item,) = walk(tmp_path, ANYBODY)
    assert item.quarantine is Quarantine.PATH_TOO_LONG
    assert not item.kept


def test_a_hundred_folders_deep_is_named_as_too_deep(tmp_path: Path) -> None:
    nested(tmp_path, ["d"] * 110)
    assert list(codes(tmp_path).values()) == [Quarantine.TOO_DEEP]


# What is not a file


def test_empty_folders_are_named(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    assert codes(tmp_path) == {"a/b": Quarantine.EMPTY_FOLDER}
    assert list(walk(tmp_path / "a/b", ANYBODY)) == []


def test_pipes_and_sockets_are_named_without_opening_them(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    os.mkfifo(tmp_path / "pipe.dcm")
    with socket.socket(socket.AF_UNIX) as server:
        folder = os.open(tmp_path, os.O_PATH)
        server.bind(f"/proc/self/fd/{folder}/socket")
        os.close(folder)
        assert set(codes(tmp_path).values()) == {Quarantine.SPECIAL_FILE}
    with pytest.raises(BadInput):
        walk(tmp_path / "pipe.csv", ANYBODY)


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("/etc/passwd", Quarantine.LINK_OUTSIDE),
        ("../outside", Quarantine.LINK_OUTSIDE),
        ("..", Quarantine.LINK_OUTSIDE),
        ("out/outside", Quarantine.LINK_OUTSIDE),
        ("nowhere", Quarantine.LINK_BROKEN),
        ("link", Quarantine.LINK_LOOP),
        (".", Quarantine.LINK_LOOP),
        ("folder", Quarantine.LINK_FOLDER),
    ],
)
def test_links_never_lead_out_or_around(tmp_path: Path, target: str, code: str) -> None:
    (tmp_path / "outside").write_bytes(b"secret")
    root = tmp_path / "in"
    (root / "folder").mkdir(parents=True)
    (root / "folder/file").write_bytes(b"1")
    (root / "out").symlink_to("..")
    (root / "link").symlink_to(target)
    items = {item.path: item for item in walk(root, ANYBODY)}
    assert items["link"].quarantine is code
    assert not items["link"].kept
    assert not any(item.content == b"secret" for item in items.values())


def test_a_link_to_a_file_of_the_folder_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"1")
    (tmp_path / "a").symlink_to("b")
    first, second = walk(tmp_path, ANYBODY)
    assert (first.path, first.content) == ("a", b"1")
    assert (second.path, second.content) == ("b", b"1")


def test_a_streamed_file_swapped_for_a_link_is_not_followed(tmp_path: Path) -> None:
    big = bytes(2 << 20)
    (tmp_path / "secret").write_bytes(big)
    root = tmp_path / "in"
    root.mkdir()
    (root / "scan").write_bytes(big)
    (item,) = walk(root, ANYBODY)
    (root / "scan").unlink()
    (root / "scan").symlink_to("../secret")
    with pytest.raises(FileChanged):
        b"".join(item.chunks())


def test_a_folder_swapped_for_a_link_is_not_followed(tmp_path: Path) -> None:
    big = bytes(2 << 20)
    for folder in ("elsewhere", "in/folder"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "scan").write_bytes(big)
    (item,) = walk(tmp_path / "in", ANYBODY)
    stat = (tmp_path / "in/folder/scan").stat()
    (tmp_path / "in/folder").rename(tmp_path / "moved")
    (tmp_path / "in/folder").symlink_to("../moved")
    assert (tmp_path / "in/folder/scan").stat() == stat  # only the way to it has changed
    with pytest.raises(FileChanged):
        b"".join(item.chunks())


# What cannot be read, or does not hold still


def as_a_plain_user(call: Callable[[], T]) -> T:
    """Runs ``call`` without the capabilities by which root reads what modes forbid."""

    def dropped() -> T:
        libc = ctypes.CDLL(None, use_errno=True)
        header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # capabilities(7), of this thread
        sets = (ctypes.c_uint32 * 6)()
        assert libc.capget(header, sets) == 0
        override = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        sets[0] &= ~override
        sets[1] &= ~override
        assert libc.capset(header, sets) == 0
        return call()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(dropped).result()


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"1")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/inside").write_bytes(b"1")
    (tmp_path / "good").write_bytes(b"1")
    (tmp_path / "link").symlink_to("folder/inside")
    for name in ("file", "folder"):
        (tmp_path / name).chmod(0)
    found = as_a_plain_user(lambda: codes(tmp_path))
    (tmp_path / "folder").chmod(0o700)
    assert found == {
        "file": Quarantine.UNREADABLE,
        "folder": Quarantine.UNREADABLE,
        "good": None,
        "link": Quarantine.UNREADABLE,
    }


RESTLESS = """
import sys
file = open(sys.argv[1], "r+b", 0)
while True:
    file.seek(0, 2)
    file.write(b"x")
    file.truncate(1 << 19)
"""


def test_a_file_that_is_being_written_is_not_taken_half(tmp_path: Path) -> None:
    path = tmp_path / "growing"
    path.write_bytes(b"x" * (1 << 19))
    process = subprocess.Popen([sys.executable, "-c", RESTLESS, os.fspath(path)])
    try:
        deadline = time.monotonic() + 60
        seen: set[str | None] = set()
        while Quarantine.CHANGING not in seen and time.monotonic() < deadline:
            (item,) = walk(tmp_path, ANYBODY)
            seen.add(item.quarantine)
            assert item.kept == (item.quarantine is None)
    finally:
        process.kill()
        process.wait()
    assert Quarantine.CHANGING in seen


def test_a_streamed_file_that_changed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "large"
    for damage in (
        lambda: path.write_bytes(b"y" * (2 << 20)),
        lambda: os.truncate(path, 5),
        path.unlink,
    ):
        path.write_bytes(b"x" * (2 << 20))
        (item,) = walk(tmp_path, ANYBODY)
        time.sleep(0.02)  # the kernel's clock must tick between the two writes
        damage()
        with pytest.raises(FileChanged):
            b"".join(item.chunks())


# Sizes


def test_empty_files_are_kept_or_named(tmp_path: Path) -> None:
    for name in ("a", "b.dcm", "c.csv", "d.csv"):
        (tmp_path / name).touch()
    (tmp_path / "d.csv").write_bytes(b"patient_id\n")
    rules = SubjectRules(column="patient_id")
    assert codes(tmp_path, rules) == {
        "a": Quarantine.NO_SUBJECT,
        "b.dcm": Quarantine.NOT_DICOM,
        "c.csv": Quarantine.MISSING_COLUMN,
        "d.csv": None,
    }
    assert codes(tmp_path)["a"] is None


@pytest.mark.parametrize("name", ["a.bin", "a.csv", "a.dcm"])
def test_ten_sparse_gigabytes_are_not_read_into_memory(tmp_path: Path, name: str) -> None:
    with (tmp_path / name).open("wb") as file:
        file.truncate(10 << 30)
    (tmp_path / "t.csv").write_bytes(b"patient_id\nP1\n")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()
    item = next(walk(tmp_path, SubjectRules(column="patient_id", pattern="(a)")))
    assert survey(tmp_path).size_bytes == (10 << 30) + 14
    assert (item.size_bytes, item.content) == (10 << 30, None)
    assert len(next(item.chunks())) == 1 << 20
    assert time.monotonic() - began < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10  # KiB


# Tables

HEADER = b"patient_id,x\n"
WHOLE = {
    "bom": b"\xef\xbb\xbfpatient_id,x\nP1,1\n",
    "crlf": b"patient_id,x\r\nP1,1\r\n",
    "quoted-newline": HEADER + b'P1,"1\nP2,2"\n',
    "quoted-comma": HEADER + b'"P1","1,2"\n',
    "duplicates": HEADER + b"P1,1\nP1,1\n",
    "only-header": HEADER,
    "no-final-newline": HEADER + b"P1,1",
    "not-utf8": HEADER + b"P1,\xff\xfe\n",
    "semicolons": b"patient_id;x\nP1;1,5\n",
    "tabs": b"patient_id\tx\nP1\t1\n",
    "blank-lines": HEADER + b"\nP1,1\n,\n \n",
}
REFUSED = {
    "missing-column": (b"x,y\n1,2\n", Quarantine.MISSING_COLUMN),
    "two-columns": (b"patient_id,patient_id\nP1,P2\n", Quarantine.DUPLICATE_COLUMN),
    "nul": (HEADER + b"P1,\0\n", Quarantine.TABLE_NUL),
    "utf16": ("patient_id,x\nP1,1\n".encode("utf-16"), Quarantine.TABLE_NUL),
    "open-quote": (HEADER + b'P1,"1\nP2,2\n', Quarantine.TABLE_MALFORMED),
    "text-after-quote": (HEADER + b'P1,"1\nP2,"2\n', Quarantine.TABLE_MALFORMED),
    "lone-return": (HEADER + b"P1,1\rP2,2\n", Quarantine.TABLE_MALFORMED),
    "endless-row": (HEADER + b'P1,"' + b"x" * (17 << 20), Quarantine.TABLE_MALFORMED),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_hostile_table_is_split_and_comes_back(tmp_path: Path, name: str) -> None:
    (tmp_path / "t.csv").write_bytes(WHOLE[name])
    layout, *rows = walk(tmp_path, SubjectRules(column="patient_id"))
    assert [item.subject and item.subject.local_id for item in rows] in ([], ["P1"])
    parts = {item.part: item.content for item in rows}
    assert join(layout.content, parts).content == WHOLE[name]


@pytest.mark.parametrize("name", REFUSED)
def test_a_table_that_cannot_be_split_is_kept_whole(tmp_path: Path, name: str) -> None:
    content, code = REFUSED[name]
    (tmp_path / "t.csv").write_bytes(content)
    (tmp_path / "z.csv").write_bytes(HEADER)
    item = next(walk(tmp_path, SubjectRules(column="patient_id")))
    assert item.quarantine is code
    assert b"".join(item.chunks()) == content


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (b"1,2,P1\n", Quarantine.RAGGED_ROW),
        (b"1\n", Quarantine.RAGGED_ROW),
        (b"1,\n", Quarantine.NO_SUBJECT),
        (b"1,  \n", Quarantine.NO_SUBJECT),
        (b"1,\xff\n", Quarantine.BAD_SUBJECT),
        (b"1," + b"P" * 257 + b"\n", Quarantine.BAD_SUBJECT),
    ],
)
def test_a_row_that_may_be_anybodys_is_nobodys(tmp_path: Path, row: bytes, code: str) -> None:
    table = b"x,patient_id\n1,P1\n" + row + row
    (tmp_path / "t.csv").write_bytes(table)
    layout, known, *others = walk(tmp_path, SubjectRules(column="patient_id"))
    assert known.quarantine is None
    assert [item.quarantine for item in others] == [code, code]  # never one key for two
    parts = {item.part: item.content for item in (known, *others)}
    assert join(layout.content, parts).content == table


def test_reasons_and_items_hold_no_patient_data(tmp_path: Path) -> None:
    (tmp_path / "Canary-name.csv").write_bytes(b"patient_id,x\nCanary,Canary\n")
    (tmp_path / "Canary.dcm").write_bytes(b"Canary" * 40)
    items: list[Item] = list(walk(tmp_path, SubjectRules(column="patient_id")))
    assert len(items) == 3
    for item in items:
        assert "Canary" not in repr(item)
        assert item.quarantine is None or "Canary" not in item.quarantine.reason
