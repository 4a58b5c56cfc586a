"""Claim: whatever a folder holds, `cloister add` accounts for every entry with a clear line,
and what it keeps comes back byte for byte, names included.
"""

from __future__ import annotations

import json
import os
import pty
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Shell, new_lab
from tests.peak import peak_kib

BY_FOLDER = ("--subject-pattern", r"(?s)\A([^/]+)/")


@pytest.fixture(scope="module")
def lab() -> Iterator[Shell]:
    with new_lab() as shell:
        yield shell


@pytest.fixture
def place(lab: Shell, request: pytest.FixtureRequest) -> Path:
    """An empty folder in the working folder, named like the test."""
    folder = lab.folder / request.node.name.replace("[", "-").replace("]", "")
    folder.mkdir()
    return folder


def bytes_below(folder: Path) -> dict[bytes, bytes]:
    """Every file's name and content, as bytes."""
    root = os.fsencode(folder)
    return {
        os.path.relpath(os.path.join(parent, name), root): Path(
            os.fsdecode(os.path.join(parent, name))
        ).read_bytes()
        for parent, _, files in os.walk(root)
        for name in files
        if not os.path.islink(os.path.join(parent, name))
    }


def added(lab: Shell, place: Path, *rules: str, name: str = "") -> dict[str, object]:
    """What `add` reports; every entry is a record or in quarantine, and each code is told."""
    words = ("add", str(place), *rules, *(("--name", name) if name else ()))
    report: dict[str, object] = lab.json(*words)
    aside = report["quarantined"]
    assert isinstance(aside, dict)
    assert report["entries"] == report["added"] + sum(aside.values())  # type: ignore[operator]
    told = lab(*words).stdout  # the same again, for people: nothing is new
    for code in aside:
        (line,) = [line for line in told.splitlines() if f"{code}: " in line]
        assert line.split(f"{code}: ")[1].strip(), "a code says its reason"
    assert "stands: nothing was new" in told or "holds nothing yet" in told
    return report


def comes_back(lab: Shell, dataset: object, folder: Path) -> dict[bytes, bytes]:
    """What `get` writes for the whole dataset."""
    target = folder.with_name(f"{folder.name} back")
    lab("get", str(dataset), "-o", str(target))
    return bytes_below(target)


NAMES = [
    b"a\nb",
    b"..almost",
    b"...",
    b"not utf-8 \xff\xfe\x80",
    b"-rf",
    b"--help",
    b" ",
    b"tab\tand\x1b[2Jescape",
    b"quote'\"$(true)`",
    b"back\\slash",
    "é".encode() * 100,
    b"x" * 255,
    b".hidden",
    b"data.csv\n",
]


def test_names_that_break_scripts_come_back_as_they_were(lab: Shell, place: Path) -> None:
    for number, name in enumerate(NAMES):
        for path in (b"P1/" + name, b"P2/" + name + b"/" + b"inside"):
            if len(name) < 250 or path.startswith(b"P1"):
                full = os.path.join(os.fsencode(place), path)
                os.makedirs(os.path.dirname(full), exist_ok=True)
                Path(os.fsdecode(full)).write_bytes(b"%d" % number + path[:4])
    report = added(lab, place, *BY_FOLDER, name="names")
    assert report["quarantined"] == {}
    assert comes_back(lab, "names", place) == bytes_below(place)
    listed = lab("ls", "names", "--all").stdout.splitlines()
    assert len(listed) == report["records"] + 1, "one line each, whatever the name"  # type: ignore[operator]
    assert not any("\x1b" in line or "\r" in line for line in listed)


def test_a_record_whose_name_is_not_utf8_is_read_alone_too(lab: Shell, place: Path) -> None:
    (place / "P1").mkdir()
    Path(os.fsdecode(os.fsencode(place / "P1") + b"/\xff\xfe")).write_bytes(b"\x00\xffpixels")
    added(lab, place, *BY_FOLDER, name="odd")
    (row,) = lab.json("ls", "odd")
    assert row["path"] == "P1/\udcff\udcfe"
    assert r"P1/\xff\xfe" in lab("ls", "odd").stdout
    target = Path(os.fsdecode(os.fsencode(place.parent) + b"/out \xff"))
    lab("get", row["record"], "-o", os.fsdecode(os.fsencode(target)))
    assert target.read_bytes() == b"\x00\xffpixels"


def test_a_folder_whose_own_name_is_odd_is_added_and_listed(lab: Shell) -> None:
    place = Path(os.fsdecode(os.fsencode(lab.folder) + b"/odd \xff\n folder"))
    (place / "P1").mkdir(parents=True)
    (place / "P1/a").write_text("1")
    added(lab, place, *BY_FOLDER, name="oddly")
    (row,) = [row for row in lab.json("ls") if row["dataset"] == "oddly"]
    assert row["records"] == 1
    assert "oddly" in lab("ls").stdout
    before = lab.json("ls", "oddly")
    (place / "P1/b").write_text("2")
    assert lab.json("add", str(place), *BY_FOLDER)["dataset"] == "oddly"  # found again
    assert len(lab.json("ls", "oddly")) == len(before) + 1


def test_what_is_not_a_file_of_this_folder_is_set_aside_by_name(
    lab: Shell, place: Path
) -> None:
    (place.with_name("outside")).write_text("somebody else's")
    (place / "P1").mkdir()
    (place / "P1/kept").write_text("kept")
    (place / "P1/0 bytes").touch()
    for name, target in {
        "absolute": "/etc/passwd",
        "upwards": "../../outside",
        "nowhere": "gone",
        "itself": "itself",
        "folder": ".",
        "inside": "kept",
    }.items():
        (place / "P1" / name).symlink_to(target)
    os.mkfifo(place / "P1/pipe")
    with socket.socket(socket.AF_UNIX) as server:
        descriptor = os.open(place / "P1", os.O_PATH)
        server.bind(f"/proc/self/fd/{descriptor}/socket")
        os.close(descriptor)
        (place / "P1/empty").mkdir()
        (place / "stray").write_text("whose?")
        report = added(lab, place, *BY_FOLDER, name="mixed")
    assert report["quarantined"] == {
        "link-outside": 2,
        "link-broken": 1,
        "link-loop": 2,
        "special-file": 2,
        "empty-folder": 1,
        "no-subject": 1,
    }
    back = comes_back(lab, "mixed", place)
    assert back == {b"P1/kept": b"kept", b"P1/0 bytes": b"", b"P1/inside": b"kept"}
    aside = lab.json("ls", "mixed", "--quarantine", "--all")
    assert len(aside) == 9
    assert all(row["quarantine"] and row["path"] for row in aside)


def test_paths_of_four_kilobytes_are_named_and_stop_nothing(lab: Shell, place: Path) -> None:
    (place / "P1").mkdir()
    (place / "P1/kept").write_text("kept")
    at = os.open(place / "P1", os.O_DIRECTORY)
    for _ in range(20):
        os.mkdir("d" * 250, dir_fd=at)
        below = os.open("d" * 250, os.O_DIRECTORY, dir_fd=at)
        os.close(at)
        at = below
    os.close(os.open("end", os.O_CREAT | os.O_WRONLY, dir_fd=at))
    os.close(at)
    report = added(lab, place, *BY_FOLDER, name="deep")
    assert report["quarantined"] == {"path-too-long": 1}
    assert comes_back(lab, "deep", place) == {b"P1/kept": b"kept"}


def test_an_empty_folder_is_no_mistake(lab: Shell, place: Path) -> None:
    report = added(lab, place, *BY_FOLDER, name="empty")
    assert (report["entries"], report["records"]) == (0, None)
    (row,) = [row for row in lab.json("ls") if row["dataset"] == "empty"]
    assert row["records"] == 0


def test_a_sparse_file_beyond_the_disk_is_refused_before_a_byte_is_written(
    lab: Shell, place: Path
) -> None:
    """A sparse file takes its full size once sealed; the space is counted before."""
    (place / "P1").mkdir()
    with (place / "P1/sparse").open("wb") as file:
        file.truncate(10 << 40)
    said = lab("add", str(place), *BY_FOLDER, "--name", "sparse", status=2).stderr
    assert "E104" in said
    assert "MiB free; this add may need" in said
    assert "sparse" not in {row["dataset"] for row in lab.json("ls")}


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_file_of_ten_gigabytes_is_sealed_in_constant_memory(lab: Shell, place: Path) -> None:
    (place / "P1").mkdir()
    size = 10 << 30
    with (place / "P1/large").open("wb") as file:
        file.truncate(size)
        for at in (0, size // 2, size - 4):
            file.seek(at)
            file.write(b"here")
    free = os.statvfs(lab.home)
    if free.f_bavail * free.f_frsize < 3 * size:
        said = lab("add", str(place), *BY_FOLDER, "--name", "large", status=2).stderr
        assert "E104" in said
        return
    words = ("add", str(place), *BY_FOLDER, "--name", "large")
    command = [sys.executable, "-m", "cloister", "-q", *words]
    peak = peak_kib(command, cwd=lab.folder, env=lab.environment)
    assert peak < 384 << 10  # as much as one gibibyte takes
    (row,) = lab.json("ls", "large")
    lab("get", row["record"], "-o", str(place / "back"))
    with (place / "P1/large").open("rb") as one, (place / "back").open("rb") as other:
        while piece := one.read(64 << 20):
            assert piece == other.read(len(piece))
        assert not other.read(1)


# Tables

TABLES = {
    "bom.csv": b"\xef\xbb\xbfid,x\nA,1\nB,2\n",
    "crlf.csv": b"id,x\r\nA,1\r\nB,2\r\n",
    "quoted.csv": b'id,note\nA,"two\nlines, and ""quotes"""\nB,\n',
    "duplicates.csv": b"id,x\nA,1\nA,1\nB,1\nA,1\n",
    "no-end.csv": b"id,x\nA,1\nB,2",
    "header.csv": b"id,x\n",
    "mixed-ends.tsv": b"id\tx\nA\t1\r\nB\t2\n",
    "latin.csv": "id,x\nA,é\n".encode("latin-1"),
    "semicolon.csv": b"id;x\nA;1,5\n",
}
ASIDE = {
    "missing.csv": (b"patient,x\nA,1\n", "missing-column"),
    "twice.csv": (b"id,id\nA,B\n", "duplicate-column"),
    "open.csv": (b'id,x\nA,"never closed\n', "table-malformed"),
    "nul.csv": (b"id,x\nA,\0\n", "table-nul"),
    "ragged.csv": (b"x,id\n1,A\n2,3,B\n", "ragged-row"),
    "unnamed.csv": (b"id,x\nA,1\n,2\n", "no-subject"),
}


def test_tables_of_every_kind_come_back_byte_for_byte(lab: Shell, place: Path) -> None:
    for name, content in TABLES.items():
        (place / name).write_bytes(content)
    report = added(lab, place, "--subject-column", "id", name="tables")
    assert report["quarantined"] == {}
    assert comes_back(lab, "tables", place) == {
        os.fsencode(name): content for name, content in TABLES.items()
    }


def test_tables_that_cannot_be_split_are_set_aside_with_the_reason(
    lab: Shell, place: Path
) -> None:
    (place / "good.csv").write_bytes(b"id,x\nA,1\n")
    for name, (content, _) in ASIDE.items():
        (place / name).write_bytes(content)
    report = added(lab, place, "--subject-column", "id", name="broken")
    assert report["quarantined"] == {code: 1 for _, code in ASIDE.values()}
    back = comes_back(lab, "broken", place)
    assert back[b"good.csv"] == b"id,x\nA,1\n"


def test_a_column_that_no_table_has_is_a_mistake_and_names_those_there_are(
    lab: Shell, place: Path
) -> None:
    (place / "a.csv").write_bytes(b"patient,age\nA,1\n")
    said = lab("add", str(place), "--subject-column", "id", status=2).stderr
    assert "E103" in said
    assert "patient" in said
    assert "age" in said


def test_labels_of_unknown_subjects_and_paths_are_counted_not_dropped(
    lab: Shell, place: Path
) -> None:
    for name in ("A", "B"):
        (place / name).mkdir()
        (place / name / "scan").write_text(name)
    labels = place.with_name("labels.csv")
    labels.write_bytes(
        b"\xef\xbb\xbfpath,grade\r\nA/scan,2\r\nA/scan,2\r\nC/scan,1\r\n../../etc,3\r\n"
        b'B/scan,"two\r\nlines"\r\nB/scan\r\n,4\r\nA/scan,\r\n'
    )
    words = ("add", str(place), *BY_FOLDER, "--name", "labelled", "--labels", str(labels))
    report = lab.json(*words)
    assert report["labels"] == 2
    assert report["label_problems"] == {
        "duplicate-row": 1,
        "unknown-path": 1,
        "path-outside": 1,
        "ragged-row": 1,
        "no-key": 1,
        "no-value": 1,
    }
    told = lab(*words).stdout
    for code in report["label_problems"]:
        assert f"label lines {code}: " in told


def test_files_of_labels_that_cannot_be_used_say_why(lab: Shell, place: Path) -> None:
    (place / "A").mkdir()
    (place / "A/scan").write_text("A")
    for content, says in {
        b"x,y\n1,2\n": "no column of subjects or paths",
        b"path,grade\n\0": "NUL",
        b'path,grade\nA/scan,"open\n': "not well-formed",
        b"path\nA/scan\n": "no column of labels",
    }.items():
        (lab.folder / "bad.csv").write_bytes(content)
        words = ("add", str(place), *BY_FOLDER, "--name", "unlabelled")
        said = lab(*words, "--labels", "bad.csv", status=2).stderr
        assert "E103" in said, content
        assert says in said, content
    assert "E101" in lab("add", str(place), *BY_FOLDER, "--labels", "no", status=2).stderr


STRICT = {"PYTHONIOENCODING": "utf-8:strict"}
"""As under any locale but C: what is not UTF-8 cannot be printed."""


def test_json_stays_json_whatever_the_names_are(lab: Shell, place: Path) -> None:
    """And says them exactly: a byte that is not UTF-8 is an escaped lone surrogate."""
    for folder, name in (("P\udcff", "\udced\udca0\udc80\n"), ("P1", "\udcff\x1b[2J\u202e")):
        (place / folder).mkdir()
        (place / folder / name).write_text("1")
    words = ("add", str(place), *BY_FOLDER, "--name", "surrogates")
    assert lab.json(*words, env=STRICT)["entries"] == 2
    for extra, path in {
        (): "P1/\udcff\x1b[2J\u202e",
        ("--quarantine",): "P\udcff/\udced\udca0\udc80\n",
    }.items():
        raw = lab("--json", "ls", "surrogates", *extra, env=STRICT).stdout
        (row,) = json.loads(raw.encode("utf-8", "strict"))
        assert row["path"] == path


def test_no_name_reaches_the_terminal_as_a_command_to_it(lab: Shell, place: Path) -> None:
    """Escape sequences, line breaks and bidirectional overrides are shown, not obeyed."""
    (place / "P1").mkdir()
    (place / "P1/\x1b]0;owned\x07\x1b[2J\r\n\u202etxt.exe\udcff").write_text("1")
    lab("add", str(place), *BY_FOLDER, "--name", "terminal")
    leader, follower = pty.openpty()
    with lab.start("ls", "terminal", env=STRICT, stdout=follower) as listing:
        assert listing.wait(60) == 0
    os.close(follower)
    shown = os.read(leader, 1 << 16)
    os.close(leader)
    assert shown.count(b"\r\n") == 2  # the header and one line
    assert b"\x1b" not in shown
    assert rb"P1/\x1b]0;owned\x07\x1b[2J\r\n\u202etxt.exe\xff" in shown
