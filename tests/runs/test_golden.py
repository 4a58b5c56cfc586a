"""Stored forms of a run, held byte by byte."""

from __future__ import annotations

from pathlib import Path

from cloister.runs import code, command, restoring
from cloister.runs.command import Start

GOLDEN = Path(__file__).parent.parent / "golden"
START = Start(
    argv=("python", "train.py", "--data", "caf\udce9"),
    workdir=Path("/home/ada/project"),
    variables={"PYTHONHASHSEED": "7", "PATH": "/usr/bin"},
    reads=(Path("/opt/tools"),),
    places={"data1": Path("/home/ada/project/scans")},
    memory_bytes=1 << 30,
)


def fixed(count: int) -> bytes:
    return bytes(range(count))


def test_the_start_of_a_run_is_written_and_read_as_ever() -> None:
    commitment, plain = command.write(START, fixed)
    assert plain == (GOLDEN / "run-start-1.json").read_bytes()
    assert command.read_start(plain) == START
    assert command.read(plain) == START.argv
    assert commitment == "2d04e48a03e0f5ce5f136e6ea5ce4c843cf65b3e529e0f1536d7e78a571fa030"


def test_the_archive_of_code_is_written_and_read_as_ever(tmp_path: Path) -> None:
    (tmp_path / "empty/inner/deeper").mkdir(parents=True)
    (tmp_path / "train.py").write_text("print(1)\n")
    (tmp_path / "tool.sh").write_text("#!/bin/sh\n")
    (tmp_path / "tool.sh").chmod(0o755)
    (tmp_path / "picture.png").write_bytes(b"no code")
    archive = code.capture(tmp_path).archive
    assert archive == (GOLDEN / "run-code-1.tar").read_bytes()
    tree = restoring.unpack(archive)
    assert tree.files == {"train.py": b"print(1)\n", "tool.sh": b"#!/bin/sh\n"}
    assert tree.executable == {"tool.sh"}
    assert tree.folders == ("empty", "empty/inner")
