"""Macros become what W&B's agent would have made of them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from cloister.core.errors import BadInput
from cloister.sweeps.command import ARGUMENTS_FILE, command, from_outside

VALUES = {"lr": 0.1, "fast": True, "slow": False, "net": {"drop": 0.5}}


@pytest.mark.parametrize(
    ("macro", "words"),
    [
        ("${args}", ["--lr=0.1", "--fast=True", "--slow=False", "--net={'drop': 0.5}"]),
        ("${args_no_hyphens}", ["lr=0.1", "fast=True", "slow=False", "net={'drop': 0.5}"]),
        ("${args_no_boolean_flags}", ["--lr=0.1", "--fast", "--net={'drop': 0.5}"]),
        ("${args_json}", [json.dumps(VALUES)]),
    ],
)
def test_arguments_in_every_form(macro: str, words: list[str]) -> None:
    found = command(
        ("${env}", "${interpreter}", "${program}", macro), "t.py", "python3", VALUES
    )
    assert list(found) == ["python3", "t.py", *words]


def test_a_file_of_arguments_is_there_when_the_program_starts() -> None:
    show = "import sys; print(open(sys.argv[1]).read())"
    words = ("${interpreter}", "-c", show, "${args_json_file}")
    found = command(words, None, sys.executable, VALUES)
    assert found[-1] == ARGUMENTS_FILE
    done = subprocess.run(found, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == VALUES


def test_variables_come_from_outside_or_are_missed() -> None:
    words = ("python", "--out=${envvar:PLACE}/x", "${args}")
    assert from_outside(words, {"PLACE": "/p"})[1] == "--out=/p/x"
    with pytest.raises(BadInput, match="PLACE"):
        from_outside(words, {})
