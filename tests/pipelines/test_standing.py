"""What a page says of a step is what the scheduler made of it, read from the record alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cloister.core.ids import FlowId, RunId
from cloister.pipelines.history import Attempt
from cloister.pipelines.job import Job
from cloister.pipelines.nodes import Condition
from cloister.pipelines.progress import Progress, State
from cloister.pipelines.standing import Stand, standings
from tests.pipelines.test_progress import graphs, plan, step

SAID = {
    State.DONE: Stand.DONE,
    State.FAILED: Stand.FAILED,
    State.BLOCKED: Stand.BLOCKED,
    State.LEFT_OUT: Stand.LEFT_OUT,
}


def attempt(job: Job, state: str, truth: int | None = None, tried: int = 0) -> Attempt:
    run, flow = RunId("run_" + "a" * 16), FlowId("flo_" + "a" * 16)
    ended = None if state == "running" else "2026-11-21T00:00:01Z"
    return Attempt(
        *(run, flow, job.step, job.part, tried, "", b"", 0, "v", truth, state),
        *("2026-11-21T00:00:00Z", ended, b"", b""),
    )


@given(graphs(), st.data())
def test_a_run_that_is_over_stands_as_its_scheduler_left_it(
    graph: list[list[int]], data: st.DataObject
) -> None:
    steps = []
    for number, waits in enumerate(graph):
        asked = (
            data.draw(st.sampled_from(waits)) if waits and data.draw(st.booleans()) else None
        )
        wanted = None if asked is None else Condition(asked, data.draw(st.booleans()))
        steps.append(step(number, tuple(waits), when=wanted))
    whole = plan(*steps)
    progress = Progress(whole)
    last = {}
    while begun := progress.take():
        for one in begun:
            (job,) = progress.opened(one.number)
            if data.draw(st.integers(0, 5)):
                truth = data.draw(st.booleans())
                progress.succeeded(job, truth)
                last[job] = attempt(job, "finished", int(truth))
            else:
                progress.failed(job)
                last[job] = attempt(job, "failed")
    ended = "failed" if State.FAILED in progress.states else "finished"
    assert standings(whole, last, {}, ended) == [SAID[one] for one in progress.states]


def test_what_runs_what_waits_and_what_was_used_again() -> None:
    whole = plan(step(0, ()), step(1, (0,)), step(2, (1,)))
    last = {Job(1): attempt(Job(1), "running")}
    taken = {Job(0): True}
    assert standings(whole, last, taken, "running") == ["reused", "running", "waiting"]
    last = {Job(1): attempt(Job(1), "interrupted")}
    assert standings(whole, last, taken, "interrupted") == [
        "reused",
        "interrupted",
        "not begun",
    ]


def test_a_mapped_step_runs_until_the_last_of_its_calls_has_ended() -> None:
    whole = plan(step(0, ()), step(1, (0,)))
    parts = {Job(0, n): attempt(Job(0, n), "finished", 1) for n in range(3)}
    assert standings(whole, parts, {}, "finished")[0] == "done"
    parts[Job(0, 1)] = attempt(Job(0, 1), "running")
    assert standings(whole, parts, {}, "running") == ["running", "waiting"]
