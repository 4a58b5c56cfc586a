"""Which machine a trial goes to, and what becomes of one whose machine is lost."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from cloister.core.errors import BadInput, CloisterError, NotFound
from cloister.core.ids import RunId
from cloister.testing.clock import ManualClock
from cloister.workflows.sweeps._going import Going, Over
from cloister.workflows.sweeps._moving import sort_out
from cloister.workflows.sweeps._plan import Chosen
from cloister.workflows.sweeps._spots import Spot, Spots
from cloister.workflows.sweeps._trials import Outcome

A, B = "ssh:a", "ssh:b"


class Machines:
    """Answers for two machines, as it is told."""

    def __init__(self, **rooms: int | Exception) -> None:
        self.rooms = rooms
        self.clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
        others = [Spot(f"ssh:{name}", lambda name=name: self.ask(name)) for name in rooms]  # type: ignore[misc]
        self.said: list[CloisterError] = []
        self.spots = Spots(others, self.clock, self.said.append)

    def ask(self, name: str) -> int:
        found = self.rooms[name]
        if isinstance(found, Exception):
            raise found
        return found

    def settle(self, after_s: float = 0.0) -> None:
        """Time passes, and every machine that is asked has answered."""
        self.clock.advance(timedelta(seconds=after_s))
        self.spots.tend()
        end_s = time.monotonic() + 60
        while any(one.asking for one in self.spots.spots):
            assert time.monotonic() < end_s
            self.spots.tend()


def lost(on: str | None, why: str = "killed", tries: int = 1) -> Over:
    chosen = Chosen({}, {"x": 1}, on)
    return Over(Going(3, RunId("run_x"), chosen, tries=tries), Outcome("failed", why))


def test_trials_are_spread_by_the_room_that_there_is() -> None:
    machines = Machines(a=4, b=2)
    machines.spots.gather()
    loads = Counter[str | None]()
    chosen = []
    while (spot := machines.spots.choose(loads)) is not None:
        chosen.append(spot.on)
        loads[spot.on] += 1
    assert chosen == [A, B, A, A, B, A]


def test_a_machine_that_is_away_is_left_out_and_asked_again() -> None:
    machines = Machines(a=NotFound("nobody there"), b=1)
    machines.spots.gather()
    machines.settle()
    assert machines.spots.choose({B: 1}) is None
    machines.rooms["a"] = 1
    machines.settle(after_s=10)
    spot = machines.spots.choose({B: 1})
    assert spot is not None
    assert spot.on == A


def test_that_a_machine_is_away_is_said_once_each_time_that_it_goes() -> None:
    machines = Machines(a=NotFound("nobody there"), b=1)
    machines.spots.gather()
    machines.settle(after_s=10)
    machines.settle(after_s=10)
    assert len(machines.said) == 1
    machines.rooms["a"] = 1
    machines.settle(after_s=10)
    machines.rooms["a"] = OSError(2, "no such program")
    machines.spots.doubt(A)
    machines.settle()
    machines.settle(after_s=10)
    assert [str(one) for one in machines.said[1:]] == [
        "ssh:a could not be asked: no such program"
    ]


def test_nothing_begins_where_nobody_answers() -> None:
    with pytest.raises(NotFound, match="nobody there"):
        Machines(a=NotFound("nobody there"), b=NotFound("nobody there")).spots.gather()


def test_a_machine_that_refuses_is_said_before_anything_begins() -> None:
    with pytest.raises(BadInput, match="another Cloister"):
        Machines(a=4, b=BadInput("another Cloister")).spots.gather()


def test_a_trial_goes_elsewhere_once_its_machine_does_not_answer() -> None:
    machines = Machines(a=2, b=2)
    machines.spots.gather()
    machines.rooms["a"] = NotFound("nobody there")
    over = lost(A, tries=2)
    assert sort_out([over], machines.spots, Counter({A: 1}), stopping=False) == ([], [])
    machines.settle()
    ended, (move,) = sort_out([over], machines.spots, Counter({A: 1}), stopping=False)
    assert (ended, move.on, move.came.why, move.tries) == ([], B, "lost", 2)


def test_a_trial_that_was_killed_on_a_machine_that_answers_is_tried_once_more() -> None:
    machines = Machines(a=1)
    machines.spots.gather()
    first = lost(A)
    sort_out([first], machines.spots, Counter({A: 1}), stopping=False)
    machines.settle()
    ended, (move,) = sort_out([first], machines.spots, Counter({A: 1}), stopping=False)
    assert (ended, move.on, move.came.why, move.tries) == ([], A, "killed", 2)
    again = lost(A, tries=move.tries)
    sort_out([again], machines.spots, Counter({A: 1}), stopping=False)
    machines.settle()
    assert sort_out([again], machines.spots, Counter({A: 1}), stopping=False) == ([again], [])


def test_a_trial_waits_for_a_machine_and_is_interrupted_where_none_comes() -> None:
    machines = Machines(a=1)
    machines.spots.gather()
    machines.rooms["a"] = NotFound("nobody there")
    over = lost(A)
    sort_out([over], machines.spots, Counter({A: 1}), stopping=False)
    machines.settle()
    assert sort_out([over], machines.spots, Counter({A: 1}), stopping=False) == ([], [])
    machines.settle(after_s=31)
    (ended,), moves = sort_out([over], machines.spots, Counter({A: 1}), stopping=False)
    assert (ended.ended.state, ended.ended.why, moves) == ("interrupted", "away", [])


@pytest.mark.parametrize(
    ("on", "why"), [(None, "killed"), (A, "exit"), (A, "no-metric"), (A, "")]
)
def test_what_is_the_scripts_doing_or_happened_here_is_over(on: str | None, why: str) -> None:
    machines = Machines(a=1)
    machines.spots.gather()
    over = lost(on, why)
    assert sort_out([over], machines.spots, Counter({on: 1}), stopping=False) == ([over], [])


def test_a_sweep_that_stops_moves_nothing() -> None:
    machines = Machines(a=1, b=1)
    machines.spots.gather()
    (ended,), moves = sort_out([lost(A)], machines.spots, Counter({A: 1}), stopping=True)
    assert (ended.ended.state, moves) == ("interrupted", [])
