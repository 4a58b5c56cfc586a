"""Claim: nothing that a job, its names or its words say reaches the lab unsealed."""

from __future__ import annotations

import base64
from pathlib import Path

from cloister.testing.onnx_models import linear
from tests.conftest import Shell

NAME = "Annabel-Lee-1849"
JOB = f"""
mkdir {NAME}-folder; echo {NAME}-content > {NAME}-file; cp seed.onnx {NAME}.onnx
mkfifo {NAME}-pipe; ln -s {NAME}-target {NAME}-link; echo {NAME}-said; echo {NAME}-err >&2
truncate -s 1T {NAME}-huge
"""


def spellings(word: str) -> list[bytes]:
    """As it is, and the part that is the same in any base64 that holds it, at each offset."""
    inside = [base64.b64encode(b"\0" * shift + word.encode())[4:-4] for shift in range(3)]
    return [word.encode(), *inside]


def found_in(folder: Path) -> list[str]:
    return [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if NAME in path.name
        or (path.is_file() and any(one in path.read_bytes() for one in spellings(NAME)))
    ]


def test_names_and_words_of_a_job_are_sealed(lab: Shell) -> None:
    (lab.folder / "seed.onnx").write_bytes(linear())
    (lab.folder / f"{NAME}.py").write_text(f"# {NAME}\n")
    done = lab("run", "--env", f"WHO={NAME}", "--", "sh", "-c", JOB, NAME)
    assert f"{NAME}-pipe" in done.stderr  # whoever ran it is told what was not kept
    assert f"{NAME}-pipe" in lab("get", "last", "log").stdout
    lab("run", "--", "sh", "-c", f"exit 3 # {NAME}", status=3)
    lab("run", "--", f"./{NAME}", status=2)
    for folder in (lab.home / "cloister-lab", lab.home / ".local", lab.home / "run"):
        assert found_in(folder) == []
