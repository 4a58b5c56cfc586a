"""The order in which things may happen, whatever the order in which they end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cloister.pipelines.job import Job
from cloister.pipelines.nodes import Condition
from cloister.pipelines.plan import Plan, PlannedTask, Step
from cloister.pipelines.progress import Progress, State
from cloister.pipelines.tasks import Settings


def step(number: int, waits: tuple[int, ...], *, when: Condition | None = None) -> Step:
    conditions = () if when is None else (when,)
    every = tuple(sorted({*waits, *(c.node for c in conditions)}))
    return Step(number, 0, f"s{number}", b"\x80", every, waits, (), None, conditions, False)


def plan(*steps: Step) -> Plan:
    return Plan(
        "p", (), "latest", (), (PlannedTask("t", "python", "0" * 64, Settings()),), steps
    )


@st.composite
def graphs(draw: st.DrawFn) -> list[list[int]]:
    count = draw(st.integers(1, 25))
    return [
        sorted(draw(st.sets(st.integers(0, number - 1), max_size=3))) if number else []
        for number in range(count)
    ]


@given(graphs(), st.data())
def test_a_step_begins_after_all_it_waits_for_and_exactly_once(
    graph: list[list[int]], data: st.DataObject
) -> None:
    progress = Progress(plan(*(step(n, tuple(waits)) for n, waits in enumerate(graph))))
    open_jobs: list[Job] = []
    begun: list[int] = []
    ended: set[int] = set()
    failed: set[int] = set()
    while not progress.over or open_jobs:
        for one in progress.take():
            assert set(graph[one.number]) <= ended
            begun.append(one.number)
            open_jobs += progress.opened(one.number)
        if not open_jobs:
            break
        job = open_jobs.pop(data.draw(st.integers(0, len(open_jobs) - 1)))
        if data.draw(st.integers(0, 5)):
            progress.succeeded(job)
            ended.add(job.step)
        else:
            progress.failed(job)
            failed.add(job.step)
    assert progress.over
    assert len(begun) == len(set(begun))
    blocked = {n for n, state in enumerate(progress.states) if state is State.BLOCKED}
    assert blocked == set(range(len(graph))) - ended - failed
    for number in blocked:
        assert set(graph[number]) & (blocked | failed)


def test_a_condition_that_is_not_met_leaves_out_all_that_takes_the_value() -> None:
    progress = Progress(
        plan(step(0, ()), step(1, (), when=Condition(0, True)), step(2, (1,)), step(3, (0,)))
    )
    (first,) = progress.take()
    progress.opened(first.number)
    progress.succeeded(Job(0), truth=False)
    (last,) = progress.take()
    assert last.number == 3
    assert progress.states[1:3] == [State.LEFT_OUT, State.LEFT_OUT]


def test_a_mapped_step_is_done_with_its_last_item_and_at_once_without_any() -> None:
    progress = Progress(plan(step(0, ()), step(1, (0,))))
    progress.take()
    jobs = progress.opened(0, 3)
    assert [progress.succeeded(job) for job in jobs] == [False, False, True]
    (after,) = progress.take()
    assert progress.opened(after.number, 0) == []
    assert progress.over
