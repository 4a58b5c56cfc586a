"""An event's bytes are its fields, in one spelling."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from cloister.core.clock import SystemClock, timestamp
from cloister.core.errors import BadInput
from cloister.core.events import Event, Recorded, no_rows


def test_a_leaf_is_canonical_json_of_all_fields_and_the_version() -> None:
    event = Event(
        "a.b", "2026-01-01T00:00:00.000000Z", "per_a", "because", {"z": 1, "a": ["ä"]}
    )
    assert (
        event.leaf()
        == (
            '{"actor":"per_a","body":{"a":["ä"],"z":1},"reason":"because",'
            '"time":"2026-01-01T00:00:00.000000Z","type":"a.b","v":1}'
        ).encode()
    )
    assert json.loads(event.leaf())["v"] == 1


@pytest.mark.parametrize("value", [1.0, [2.5], {"deep": ({"er": 0.0},)}, {"ä": [5.0]}])
def test_a_float_is_refused_for_it_would_come_back_as_something_else(value: object) -> None:
    with pytest.raises(BadInput, match="floats"):
        Event("a.b", "t", "per_a", "because", {"value": value}).leaf()  # type: ignore[dict-item]


def test_an_event_may_leave_no_row() -> None:
    event = Event("read.begun", "t", "a", "r", {})
    assert list(no_rows(Recorded(0, event))) == []


def test_times_sort_as_text_whatever_their_zone() -> None:
    noon = datetime(2026, 7, 1, 12, tzinfo=UTC)
    east = datetime(
        2026, 7, 1, 13, 30, tzinfo=timezone(timedelta(hours=2))
    )  # half an hour before
    assert timestamp(noon) == "2026-07-01T12:00:00.000000Z"
    assert timestamp(east) < timestamp(noon)


def test_the_system_clock_knows_its_zone_and_never_runs_backwards() -> None:
    clock = SystemClock()
    assert clock.now().tzinfo is UTC
    assert clock.monotonic_s() <= clock.monotonic_s()
