"""JSON and tables: text that holds numbers."""

from __future__ import annotations

import csv
import io
import itertools
import json
from typing import Any

from cloister.runs.compare.tally import Mismatch, Tally


def compare_json(tally: Tally, a: bytes, b: bytes) -> None:
    """Two JSON values: numbers within the tolerance, all else equal."""
    _walk(tally, "", json.loads(a), json.loads(b))


def compare_json_lines(tally: Tally, a: bytes, b: bytes) -> None:
    """A JSON value a line."""
    pairs = itertools.zip_longest(a.splitlines(), b.splitlines())
    for number, (one, other) in enumerate(pairs, 1):
        if one is None or other is None:
            raise Mismatch(f"line {number}: only one of them has it")
        _walk(tally, f"line {number}", json.loads(one), json.loads(other))


def compare_table(tally: Tally, a: bytes, b: bytes) -> None:
    """Delimited text, cell by cell: two numbers within the tolerance, all else equal."""
    rows = itertools.zip_longest(_rows(a), _rows(b))
    for number, (one, other) in enumerate(rows, 1):
        if one is None or other is None or len(one) != len(other):
            raise Mismatch(f"line {number}: not as many cells")
        for column, (left, right) in enumerate(zip(one, other, strict=True), 1):
            _cell(tally, f"line {number}, column {column}", left, right)


def _walk(tally: Tally, where: str, a: Any, b: Any) -> None:
    if _is_number(a) and _is_number(b):
        if isinstance(a, int) and isinstance(b, int):
            tally.same(where, a, b)
        else:
            tally.one(where, float(a), float(b))
    elif isinstance(a, dict) and isinstance(b, dict):
        tally.same(f"{where}/ (names)", list(a), list(b))
        for name in a:
            _walk(tally, f"{where}/{name}", a[name], b[name])
    elif isinstance(a, list) and isinstance(b, list):
        tally.same(f"{where} (length)", len(a), len(b))
        for place, (one, other) in enumerate(zip(a, b, strict=True)):
            _walk(tally, f"{where}/{place}", one, other)
    else:
        tally.same(where, (type(a), a), (type(b), b))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _rows(data: bytes) -> list[list[str]]:
    text = data.decode("utf-8-sig")
    first = text.partition("\n")[0]
    delimiter = max(",;\t|", key=first.count)
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


def _cell(tally: Tally, where: str, a: str, b: str) -> None:
    if a == b:
        return
    try:
        one, other = float(a), float(b)
    except ValueError as error:
        raise Mismatch(where) from error
    tally.one(where, one, other)
