"""Whose turn it is, on a machine of four processors, 16 GiB and two GPUs."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloister.core.errors import BadInput
from cloister.jobs.asks import Ask, Box, Lease, Priority
from cloister.jobs.settings import QueueSettings, parse_queue
from cloister.jobs.turns import Rules, Turn, Used, Waiting, dominant_shares, free, turns

GIB = 1 << 30
BOX = Box((0, 1, 2, 3), 16 * GIB, (0, 1))
RULES = Rules(patience_s=600, half_life_s=86400)
NOW = 1_000_000.0
SMALL, GPU, WHOLE = Ask(1, GIB), Ask(1, GIB, 1), Ask(4, GIB)


def waiting(run: str, person: str = "ada", ask: Ask = SMALL, **other: object) -> Waiting:
    given: dict[str, object] = {"priority": Priority.NORMAL, "since_s": NOW - 1} | other
    return Waiting(run, person, ask=ask, **given)  # type: ignore[arg-type]


def used(run: str, person: str, ask: Ask, begun: float, ended: float | None = None) -> Used:
    return Used(run, person, ask, Lease(gpus=tuple(range(ask.gpus))), begun, ended)


def begun(said: Sequence[Turn]) -> list[str]:
    return [one.run for one in said if one.lease is not None]


def test_what_fits_begins_in_the_order_it_was_asked_for() -> None:
    said = turns(BOX, [waiting("c"), waiting("a", since_s=NOW - 9)], [], NOW, RULES)
    assert begun(said) == ["a", "c"]


def test_two_people_take_turns_however_much_one_of_them_asks_for() -> None:
    many = [waiting(f"a{n}", "ada", since_s=NOW - 50 + n) for n in range(20)]
    said = turns(BOX, [*many, waiting("b0", "bo"), waiting("b1", "bo")], [], NOW, RULES)
    assert sorted(begun(said)) == ["a0", "a1", "b0", "b1"]


def test_people_are_compared_by_the_resource_they_have_most_of() -> None:
    """Ada has a tenth of the memory and half of the GPUs, Bo half of the processors less."""
    holds = [used("g", "ada", GPU, NOW), used("c", "bo", Ask(1, GIB), NOW)]
    shares = dominant_shares(BOX, holds, NOW, RULES)
    assert (shares["ada"], shares["bo"]) == (0.5, 0.25)
    said = turns(BOX, [waiting("a", "ada"), waiting("b", "bo")], holds, NOW, RULES)
    assert begun(said) == ["b", "a"]


def test_who_used_the_machine_yesterday_waits_longer_than_who_did_last_month() -> None:
    day = 86400.0
    past = [
        used("x", "ada", WHOLE, NOW - 1.5 * day, NOW - day),
        used("y", "bo", WHOLE, NOW - 30.5 * day, NOW - 30 * day),
    ]
    line = [waiting("a", "ada", WHOLE, since_s=NOW - 9), waiting("b", "bo", WHOLE)]
    assert begun(turns(BOX, line, past, NOW, RULES)) == ["b"]
    shares = dominant_shares(BOX, past, NOW, RULES)
    assert shares["ada"] == pytest.approx(2**-1 - 2**-1.5)


def test_priority_goes_first_and_waiting_raises_it() -> None:
    line = [
        waiting("low", "ada", WHOLE, priority=Priority.LOW, since_s=NOW - 100),
        waiting("high", "bo", WHOLE, priority=Priority.HIGH),
        waiting("normal", "cy", WHOLE, since_s=NOW - 90),
    ]
    assert begun(turns(BOX, line, [], NOW, RULES)) == ["high"]
    old = waiting("low", "ada", WHOLE, priority=Priority.LOW, since_s=NOW - 13 * 3600)
    assert begun(turns(BOX, [old, *line[1:]], [], NOW, RULES)) == ["low"]


def test_smaller_jobs_pass_a_large_one_until_its_patience_is_at_an_end() -> None:
    holds = [used("x", "cy", SMALL, NOW - 50)]
    large = waiting("large", "ada", WHOLE, since_s=NOW - 599)
    line = [large, waiting("s1", "bo"), waiting("s2", "bo")]
    assert begun(turns(BOX, line, holds, NOW, RULES)) == ["s1", "s2"]
    later = turns(BOX, line, holds, NOW + 2, RULES)
    assert begun(later) == []
    assert {one.run: one.kept_for for one in later} == {
        "large": None,
        "s1": "large",
        "s2": "large",
    }


def test_gpus_are_lent_by_number_and_to_one_job_each() -> None:
    holds = [used("x", "cy", GPU, NOW)]
    said = turns(BOX, [waiting("a", ask=GPU), waiting("b", ask=GPU)], holds, NOW, RULES)
    assert {one.run: one.lease for one in said} == {"a": Lease((), (1,)), "b": None}
    assert free(BOX, holds).gpus == 1


def test_who_names_processors_is_held_to_them_and_to_nobody_elses() -> None:
    line = [waiting("a", ask=Ask(2, GIB, pinned=True)), waiting("b", ask=Ask(2, GIB, 0, True))]
    leases = [one.lease for one in turns(BOX, line, [], NOW, RULES)]
    assert leases == [Lease((0, 1)), Lease((2, 3))]


def test_what_can_never_be_lent_is_refused_with_the_numbers() -> None:
    left = free(BOX, [used("x", "cy", GPU, NOW)])
    with pytest.raises(BadInput, match=r"asks for 3 GPUs, and there are 2 \(1 free now"):
        BOX.require(Ask(1, GIB, 3), left)
    with pytest.raises(BadInput, match="8 processors, and there"):
        BOX.require(Ask(8, GIB), left)
    with pytest.raises(BadInput, match="32,768 MiB of memory, and there are 16,384"):
        BOX.require(Ask(1, 32 * GIB), left)
    with pytest.raises(BadInput) as refused:
        Box((0,), GIB).require(Ask(1, GIB, 1), left)
    assert "no GPU is seen here" in str(refused.value.hint)


def test_a_job_that_says_nothing_asks_for_a_quarter_or_what_settings_say() -> None:
    assert BOX.share() == Ask(1, 4 * GIB)
    assert BOX.share(2, GIB) == Ask(2, GIB)
    assert Box((0,), GIB).share(8, 9 * GIB) == Ask(1, GIB)


def test_settings_are_read_or_refused() -> None:
    said = {"cpus": 2, "memory_mib": 512, "patience_minutes": 0, "half_life_hours": 1}
    assert parse_queue(said) == QueueSettings(2, 512 << 20, Rules(0.0, 3600.0))
    assert parse_queue({}) == QueueSettings()
    for wrong in ({"cpu": 1}, {"cpus": 0}, {"cpus": True}, {"cpus": "2"}, [], 7):
        with pytest.raises(BadInput, match=r"\[queue\]"):
            parse_queue(wrong)


ASKS = st.builds(
    Ask,
    st.integers(1, 4),
    st.integers(1, 16).map(lambda gib: gib * GIB),
    st.integers(0, 2),
    st.booleans(),
)
LINES = st.lists(
    st.tuples(st.sampled_from(["ada", "bo", "cy"]), st.sampled_from(list(Priority)), ASKS),
    min_size=1,
    max_size=12,
)


@given(LINES, st.integers(0, 2**32))
@settings(max_examples=60)
def test_every_job_that_fits_the_machine_begins_and_nothing_is_lent_twice(
    line: list[tuple[str, Priority, Ask]], seed: int
) -> None:
    """A machine is run: jobs last for hours, and small ones keep coming from one person."""
    now, running, late = NOW, list[Used](), seed
    left = [Waiting(f"r{n}", who, rank, ask, now) for n, (who, rank, ask) in enumerate(line)]
    wanted = {one.run for one in left}
    for step in range(400):
        said = {one.run: one for one in turns(BOX, left, running, now, RULES)}
        for one in [one for one in left if said[one.run].lease is not None]:
            lease = said[one.run].lease
            assert lease is not None
            assert len(lease.gpus) == one.ask.gpus
            assert len(lease.cpus) == (one.ask.cpus if one.ask.pinned else 0)
            running.append(Used(one.run, one.person, one.ask, lease, now))
            left.remove(one)
        alive = [one for one in running if one.ended_s is None]
        assert sum(one.ask.cpus for one in alive) <= 4
        assert sum(one.ask.memory_bytes for one in alive) <= 16 * GIB
        for held in (
            [g for o in alive for g in o.lease.gpus],
            [c for o in alive for c in o.lease.cpus],
        ):
            assert len(held) == len(set(held))
        if not wanted & {one.run for one in left}:
            return
        now += 1800.0
        late = (late * 6364136223846793005 + 1442695040888963407) % 2**64
        over = alive[late % len(alive)] if alive else None
        running = [
            Used(o.run, o.person, o.ask, o.lease, o.begun_s, now) if o is over else o
            for o in running
        ]
        left.append(Waiting(f"more{step}", "dee", Priority.HIGH, SMALL, now))
    pytest.fail(f"never begun: {wanted & {one.run for one in left}}")
