"""Assessments as they are sealed and shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cloister.core.errors import BadInput
from cloister.tracking import assessments

GOLDEN = Path(__file__).parent.parent / "golden/trace-assessment-1.json"
SAID = {
    "assessment_id": "a-0123456789abcdef0123456789abcdef",
    "assessment_name": "good",
    "source": {"source_type": "human", "source_id": "ä"},
    "create_time": "2026-01-02T03:04:05.678Z",
    "last_update_time": "2026-01-02T03:04:06Z",
    "feedback": {"value": {"score": [0.5, None]}, "error": {"error_code": "E"}},
    "rationale": "short",
    "metadata": {"round": "1"},
    "span_id": "00f067aa0ba902b7",
    "overrides": "a-ffffffffffffffffffffffffffffffff",
}


def test_the_bytes_are_those_of_version_1() -> None:
    made = assessments.read(SAID, "", 0)
    assert made.content() == GOLDEN.read_bytes()
    assert assessments.of_content(GOLDEN.read_bytes()) == made


def test_what_is_shown_is_read_again() -> None:
    made = assessments.read(SAID, "", 0)
    shown = assessments.shown(made, "tr-1", valid=True)
    assert assessments.read(shown, "", 0) == made
    assert (shown["trace_id"], shown["valid"]) == ("tr-1", True)


@pytest.mark.parametrize("value", [None, [], {"a": [1]}, "text", 1.5, False])
def test_an_expectation_says_any_json(value: Any) -> None:
    said = {**SAID, "feedback": None, "expectation": {"value": value}}
    made = assessments.read(said, "", 0)
    assert assessments.read(assessments.shown(made, "tr-1", valid=True), "", 0) == made
    assert made.value == value


def test_every_text_can_be_changed_and_nothing_else() -> None:
    made = assessments.read(SAID, "", 0)
    seen: list[str] = []

    def upper(texts: Any) -> list[str]:
        seen.extend(texts)
        return [text.upper() for text in texts]

    changed = assessments.with_texts(made, upper)
    assert sorted(seen) == sorted(
        ["error_code", "E", "round", "1", "good", "short", "ä", "00f067aa0ba902b7", "score"]
    )
    assert changed.value == {"SCORE": [0.5, None]}
    assert changed.metadata == {"ROUND": "1"}
    assert (changed.id, changed.overrides, changed.kind) == (made.id, made.overrides, made.kind)


def test_one_that_another_overrides_is_not_valid() -> None:
    first = assessments.read({**SAID, "overrides": None}, "", 0)
    second = assessments.read(
        {**SAID, "assessment_id": f"a-{'1' * 32}", "overrides": first.id}, "", 0
    )
    shown = assessments.all_shown([second, first], "tr-1")
    assert {one["assessment_id"]: one["valid"] for one in shown} == {
        first.id: False,
        second.id: True,
    }


def test_a_time_that_is_none_is_refused() -> None:
    with pytest.raises(BadInput, match="create_time"):
        assessments.read({**SAID, "create_time": "2026-01-02T03:04:05"}, "", 0)
