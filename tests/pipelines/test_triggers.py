"""When pipelines are due: by the clocks on the wall, and after times that nobody saw."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from cloister.core.errors import BadInput
from cloister.pipelines.triggers import asset, cron, every


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def texts(found: list[datetime]) -> list[str]:
    return [one.strftime("%m-%dT%H:%M") for one in found]


def test_a_time_on_the_wall_moves_with_the_zone() -> None:
    daily = cron("0 3 * * *", zone="Europe/Berlin")
    winter = texts(list(islice(daily.times(utc("2026-01-10T00:00")), 2)))
    summer = texts(list(islice(daily.times(utc("2026-07-10T00:00")), 2)))
    assert winter == ["01-10T02:00", "01-11T02:00"]
    assert summer == ["07-10T01:00", "07-11T01:00"]


def test_a_time_that_summer_takes_away_comes_once_and_one_given_twice_comes_once() -> None:
    daily = cron("30 2 * * *", zone="Europe/Berlin")
    spring = list(islice(daily.times(utc("2026-03-28T12:00")), 2))
    assert [one.day for one in spring] == [29, 30]
    autumn = list(islice(daily.times(utc("2026-10-24T12:00")), 2))
    assert [one.day for one in autumn] == [25, 26]


def test_every_is_counted_from_the_same_beginning_whenever_it_starts() -> None:
    quarter = every(minutes=15)
    found = texts(list(islice(quarter.times(utc("2026-01-10T00:07")), 3)))
    assert found == ["01-10T00:15", "01-10T00:30", "01-10T00:45"]


def test_how_often_is_said_in_the_largest_unit_that_fits() -> None:
    said = [str(one) for one in (every(hours=6), every(minutes=90), every(seconds=61))]
    assert said == ["every 6 h", "every 90 min", "every 61 s"]


@pytest.mark.parametrize(("misfire", "count"), [("all", 24), ("latest", 1), ("skip", 0)])
def test_times_that_nobody_saw(misfire: str, count: int) -> None:
    now = utc("2026-01-10T00:30")
    found = cron("0 * * * *").due(now - timedelta(days=1), now, misfire)
    assert len(found) == count
    assert cron("0 * * * *").due(now, now, misfire) == []


def test_a_time_that_just_came_is_no_misfire() -> None:
    now = utc("2026-01-10T01:00") + timedelta(seconds=5)
    assert len(cron("0 * * * *").due(now - timedelta(hours=1), now, "skip")) == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: cron("0 25 * * *"),
        lambda: cron("nonsense"),
        lambda: cron("0 3 * * *", zone="Mars/Olympus"),
        lambda: every(seconds=1),
        every,
        lambda: asset("bucket"),
    ],
)
def test_what_would_never_or_always_be_due_is_refused(make: object) -> None:
    with pytest.raises(BadInput) as caught:
        make()  # type: ignore[operator]
    assert caught.value.message.startswith("test_triggers.py:")
