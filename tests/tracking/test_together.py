"""Requests recorded together: each as if it had come alone, whatever the others are."""

from __future__ import annotations

from cloister.core.errors import BadInput, NotFound
from cloister.tracking.notes import Note
from cloister.tracking.points import Point
from cloister.workflows.tracking import log, metrics, runs
from cloister.workflows.tracking.recording import Pending
from cloister.workflows.tracking.runs import NewRun
from cloister.workflows.tracking.together import record_each
from cloister.workflows.tracking.visit import Visit
from tests.tracking.lab import TrackingLab

TABLES = ("track_series", "track_point", "track_thinned", "track_param", "track_tag")


def begin(visit: Visit) -> str:
    return runs.create(visit, NewRun("0")).run.run


def points(metric: str, *steps: int) -> list[Point]:
    return [Point(metric, step / 7, 1000 + step, step) for step in steps]


def outcomes(pending: list[Pending[None]]) -> list[str | None]:
    """The error of each, None for those that went through."""
    found: list[str | None] = []
    for told in record_each(pending):
        try:
            told()
            found.append(None)
        except (BadInput, NotFound) as error:
            found.append(type(error).__name__)
    return found


def test_many_together_leave_what_they_leave_one_after_another(lab: TrackingLab) -> None:
    visit, alone = lab.visit(), TrackingLab(seed=1)
    names, others = [[begin(one) for _ in range(3)] for one in (visit, alone.visit())]
    wanted = [
        (0, points("loss", 1, 2, 3), []),
        (1, points("loss", 1), [Note("tag", "1")]),
        (0, points("loss", 4, 2, 9), []),  # the same series again, one point twice
        (0, points("acc", 4) + points("loss", 5, 6, 7), []),
        (2, [], [Note("mlflow.runName", "named")]),
        (1, points("loss", 0) + points("acc", *range(20)), []),
    ]

    def asked(of: Visit, runs: list[str]) -> list[Pending[None]]:
        return [log.pending(of, runs[run], some, (), tags) for run, some, tags in wanted]

    assert outcomes(asked(visit, names)) == [None] * len(wanted)
    for one in asked(alone.visit(), others):
        one.record()
    assert lab.audit().findings == ()
    assert [lab.rows(table) for table in TABLES] == [alone.rows(table) for table in TABLES]
    for run, other in zip(names, others, strict=True):
        found, meant = runs.get(visit, run), runs.get(alone.visit(), other)
        assert [one[1:] for one in found.metrics] == [one[1:] for one in meant.metrics]
        if run != names[2]:  # whose name the server chose
            continue
        assert found.run.name == meant.run.name == "named"
    alone.close()


def test_one_that_is_refused_takes_no_other_with_it(lab: TrackingLab) -> None:
    visit, stranger = lab.visit(), lab.visit("engineer", None, "their-project")
    good, deleted = begin(visit), begin(visit)
    runs.delete(visit, deleted)
    found = outcomes(
        [
            log.pending(visit, good, points("m", 1)),
            log.pending(visit, deleted, points("m", 2)),
            log.pending(visit, "f" * 32, points("m", 3)),
            log.pending(stranger, good, points("m", 4)),
            log.pending(lab.visit(fenced="run_aaaaaaaaaaaaaaaa"), good, points("m", 5)),
            log.pending(visit, good, points("m", 6)),
        ]
    )
    assert found == [None, "BadInput", "NotFound", "NotFound", "NotFound", None]
    assert [one.step for one in metrics.whole(visit, good, "m").found] == [1, 6]
    assert lab.audit().findings == ()


def test_one_that_no_event_can_hold_takes_no_other_with_it(lab: TrackingLab) -> None:
    visit = lab.visit()
    run = begin(visit)
    half_a_pair = [Note("tag", "\ud800")]
    found = outcomes(
        [
            log.pending(visit, run, points("m", 1)),
            log.pending(visit, run, points("m", 2), (), half_a_pair),
            log.pending(visit, run, points("m", 3)),
        ]
    )
    assert found == [None, "BadInput", None]
    assert [one.step for one in metrics.whole(visit, run, "m").found] == [1, 3]
    assert lab.audit().findings == ()


def test_a_parameter_stays_whoever_comes_together(visit: Visit) -> None:
    run = begin(visit)
    found = outcomes(
        [log.pending(visit, run, (), [Note("p", value)]) for value in ("1", "2", "1")]
    )
    assert found == [None, "BadInput", None]
    assert runs.get(visit, run).params == [("p", "1")]


def test_ids_of_patients_are_found_in_each(lab: TrackingLab) -> None:
    visit = lab.visit()
    lab.ids.known["p1234567"] = "sub_aaaaaaaaaaaaaaaaaaaaaaaaaa"
    named, other = begin(visit), begin(visit)
    asked = [("loss", named), ("loss of p1234567", named), ("loss", other)]
    assert outcomes([log.pending(visit, run, points(name, 1)) for name, run in asked]) == (
        [None] * 3
    )
    assert [one.metric for one in runs.get(visit, named).metrics] == [
        "loss",
        "loss of sub_aaaaaaaaaaaaaaaaaaaaaaaaaa",
    ]
    with lab.database.read() as tx:
        assert tx.query("SELECT run FROM run_identified") == [(named,)]
