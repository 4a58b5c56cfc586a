"""What is believed of a conversion: nothing that is malformed, nothing that is far off."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from cloister.core.errors import BadInput, PredictionsDiffer
from cloister.export import Limits, judge

MODEL = b"a model"
GOOD: dict[str, Any] = {
    "agreed": 10,
    "compared": 10,
    "converter": "scikit-learn by skl2onnx 1.20.0",
    "held_out": True,
    "max_abs": "2.000e-05",
    "max_rel": "1.000e-06",
    "rows": 10,
    "sha256": hashlib.sha256(MODEL).hexdigest(),
}


def said(**changes: Any) -> bytes:
    return json.dumps(GOOD | changes).encode()


def test_what_is_near_is_accepted_with_its_numbers() -> None:
    found = judge(said(), MODEL, Limits())
    assert found.converter == GOOD["converter"]
    assert (found.parity.rows, found.parity.held_out) == (10, True)
    assert (found.parity.max_abs, found.parity.tolerance) == ("2.000e-05", "1.000e-04")


def test_a_difference_above_the_tolerance_is_refused_and_said() -> None:
    with pytest.raises(PredictionsDiffer, match=r"relative 3\.000e-02.*9 of 10"):
        judge(said(max_rel="3.000e-02", agreed=9), MODEL, Limits())
    with pytest.raises(PredictionsDiffer):
        judge(said(), MODEL, Limits(tolerance=1e-7))


def test_one_label_less_is_refused_unless_declared() -> None:
    with pytest.raises(PredictionsDiffer, match="9 of 10"):
        judge(said(agreed=9), MODEL, Limits())
    assert judge(said(agreed=9), MODEL, Limits(agreement=0.9)).parity.agreed == 9


def test_what_is_no_number_is_not_near() -> None:
    with pytest.raises(PredictionsDiffer):
        judge(said(max_rel="inf"), MODEL, Limits())
    with pytest.raises(BadInput, match="cannot be read"):
        judge(said(max_rel="nan"), MODEL, Limits())


def test_another_model_than_the_one_compared_is_refused() -> None:
    for model in (b"another", None):
        with pytest.raises(BadInput, match="another model"):
            judge(said(), model, Limits())


@pytest.mark.parametrize(
    "report",
    [
        None,
        b"",
        b"[]",
        b"{}",
        b"\xff",
        said(rows=True),
        said(rows=-1),
        said(agreed=11),
        said(max_abs=0.1),
        said(max_abs="-1"),
        said(converter="x\x1b[2J"),
        said(converter="x" * 81),
        said(rows=0),
        b"[" * 100_000,
        json.dumps({"failed": 1}).encode(),
    ],
)
def test_a_report_that_no_converter_writes_is_refused(report: bytes | None) -> None:
    with pytest.raises(BadInput):
        judge(report, MODEL, Limits())


def test_the_converters_own_reason_is_passed_on_without_control_characters() -> None:
    report = json.dumps({"failed": "no\x1b[2J way", "hint": "do\nthis"}).encode()
    with pytest.raises(BadInput) as refused:
        judge(report, None, Limits())
    assert (refused.value.message, refused.value.hint) == ("no [2J way", "do this")
