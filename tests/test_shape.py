"""The shape of the tree is part of the design: small files, short functions."""

from __future__ import annotations

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parent.parent / "src"
LONGEST_FILE, LONGEST_FUNCTION = 400, 50  # lines
# Carried alone to a machine without Cloister, so it cannot be split by noun.
ONE_FILE = {"cloister_verify.py"}


@pytest.mark.parametrize(
    "path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT))
)
def test_fits_on_a_screen_or_four(path: pathlib.Path) -> None:
    text = path.read_text()
    assert path.name in ONE_FILE or text.count("\n") <= LONGEST_FILE, "split it by noun"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno
            assert length < LONGEST_FUNCTION, f"{node.name} at {node.lineno}: extract a step"
