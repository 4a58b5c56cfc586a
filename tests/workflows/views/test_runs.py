"""The table of runs: both kinds in one order, a page at a time, under the filters of MLflow."""

from __future__ import annotations

import math

import pytest

from cloister.core.errors import BadInput, NotFound
from cloister.identity.projects import SHARED
from cloister.policy import Action
from cloister.tracking.notes import Note
from cloister.tracking.points import Point
from cloister.workflows import overview
from cloister.workflows.lab import Lab
from cloister.workflows.people import saved
from cloister.workflows.tracking import experiments, log, runs
from cloister.workflows.tracking.ending import endings
from cloister.workflows.tracking.runs import NewRun
from cloister.workflows.views import columns, curves, lineage
from cloister.workflows.views import run as run_view
from cloister.workflows.views.runs import Wanted, table
from tests.tracking.lab import TrackingLab
from tests.workflows.views.fenced import fenced_run

START = 1_777_593_600_000  # 2026-05-01T00:00:00Z, when the labs' clocks begin


def tracked(
    lab: TrackingLab, name: str, at_s: int, fenced: str | None = None, **metrics: float
) -> str:
    """A tracked run that began so many seconds into the day."""
    visit = lab.visit("engineer", fenced)
    run = runs.create(visit, NewRun("0", START + at_s * 1000, name)).run.run
    points = [Point(metric, value, START, 0) for metric, value in metrics.items()]
    log.log(visit, run, points, [Note("rate", name[-1])], [Note("team", "a")])
    return run


def found(lab: TrackingLab, **wanted: object) -> list[str]:
    """The names of the runs that match, or the ids of what has none."""
    return [row.name or row.run for row in table(lab.lab(), Wanted(**wanted)).rows]  # type: ignore[arg-type]


def test_both_kinds_of_runs_stand_in_one_order_and_a_bound_one_stands_once(
    lab: TrackingLab,
) -> None:
    inside = fenced_run(lab, "inside", data="chest@3")
    alone = fenced_run(lab, "alone", "failed")
    tracked(lab, "outside", -60)
    tracked(lab, "bound", 60, inside)
    page = table(lab.lab(), Wanted())
    assert [row.name or row.run for row in page.rows] == ["bound", alone, "outside"]
    assert page.total == 3
    bound, only, outside = page.rows
    assert (bound.fenced, bound.tracked, bound.data) == (inside, True, ("chest@3",))
    assert (only.fenced, only.tracked, only.state) == (alone, False, "failed")
    assert (outside.fenced, outside.tracked) == (None, True)


def test_what_somebody_stopped_did_not_fail(lab: TrackingLab) -> None:
    alone = fenced_run(lab, "alone", "failed", asked_to_stop=True)
    fenced_run(lab, "wrong", "failed")
    done = fenced_run(lab, "done", asked_to_stop=True)  # it was asked too late
    inside = fenced_run(lab, "inside", None, asked_to_stop=True)
    tracked(lab, "bound", 60, inside)
    act = lab.lab().act(Action.RUN)
    lab.database.write(lambda tx: lab.ledger.append(tx, [*endings(act, tx, inside, "failed")]))
    job = {"exit_status": 143, "outcome": "failed", "run": inside}
    act.record([act.event("job.ended", job)])
    states = {row.fenced: row.state for row in table(lab.lab(), Wanted()).rows}
    assert [states[run] for run in (alone, inside, done)] == ["stopped", "stopped", "finished"]
    assert sorted(found(lab, filter="attributes.status = 'KILLED'")) == sorted([alone, "bound"])
    assert found(lab, filter="attributes.status = 'FAILED'") == ["run_wrongaaaaaaaaaaa"]
    shown = run_view.page(lab.lab("auditor"), alone).fenced
    assert shown is not None
    assert shown.state == "stopped"
    drawn = {one.id: one for one in lineage.of_run(lab.lab(), alone).nodes}[alone]
    assert (drawn.mark, dict(drawn.facts)["state"]) == ("stopped", "stopped")
    listed = {one.run.run: one.run.state for one in overview.list_runs(lab.lab("auditor"))}
    assert (listed[alone], listed["run_wrongaaaaaaaaaaa"]) == ("stopped", "failed")


def test_every_page_of_any_order_holds_each_run_once(lab: TrackingLab) -> None:
    for number in range(7):
        tracked(lab, f"run {number}", -number, loss=float(number % 3))
        fenced_run(lab, f"f{number}")
    for order in ("", "attributes.run_name ASC", "metrics.loss DESC", "attributes.end_time"):
        seen: list[str] = []
        after = None
        while True:
            page = table(lab.lab(), Wanted(order=order, limit=4, after=after))
            assert page.total == 14
            seen += [row.run for row in page.rows]
            after = page.next
            if after is None:
                break
        assert len(seen) == len(set(seen)) == 14, order


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("attributes.status = 'FAILED'", ["alone"]),
        ("attributes.status != 'FAILED'", ["bound", "outside"]),
        ("attributes.run_id = 'run_aloneaaaaaaaaaaa'", ["alone"]),
        ("attributes.run_name ILIKE '%OUT%'", ["outside"]),
        ("metrics.loss < 0.5", ["bound"]),
        ("metrics.loss IS NULL", None),
        ("params.rate IS NULL", ["alone"]),
        ("params.rate = 'e'", ["outside"]),
        ("tags.team = 'a' AND metrics.loss > 0.5", ["outside"]),
        ("dataset.name = 'chest'", ["bound", "alone"]),
        ("dataset.context = 'all'", ["bound", "alone"]),
        ("dataset.digest LIKE 'abab%'", ["bound", "alone"]),
        (f"attributes.start_time > {START + 30_000}", ["bound"]),
        (f"attributes.start_time <= {START - 60_000}", ["outside"]),
        (f"attributes.end_time > {START}", ["alone"]),
        ("attributes.user_id = 'nobody'", []),
        ("attributes.artifact_uri LIKE 'mlflow-artifacts:%'", ["bound", "outside"]),
    ],
)
def test_one_filter_finds_both_kinds(
    quick_lab: TrackingLab, text: str, expected: list[str] | None
) -> None:
    lab = quick_lab
    fenced = fenced_run(lab, "inside", data="chest@3")
    alone = fenced_run(lab, "alone", "failed", data="chest@4")
    tracked(lab, "bound", 60, fenced, loss=0.25)
    tracked(lab, "outside", -60, loss=0.75)
    if expected is None:
        with pytest.raises(BadInput):
            found(lab, filter=text)
        return
    names = [name.replace(alone, "alone") for name in found(lab, filter=text)]
    assert names == expected


def test_only_the_columns_that_were_asked_for_are_read(lab: TrackingLab) -> None:
    tracked(lab, "one", 0, loss=0.5, **{f"layer {n}": float(n) for n in range(300)})
    asked = Wanted(columns=("metrics.loss", "params.rate", "tags.team", "metrics.none"))
    (row,) = table(lab.lab(), asked).rows
    assert row.values == {"metrics.loss": 0.5, "params.rate": "e", "tags.team": "a"}
    with pytest.raises(BadInput):
        table(lab.lab(), Wanted(columns=("loss",)))
    names = columns.columns(lab.lab(), "metrics", "LAYER 1", 10)
    assert [one.name for one in names][:2] == ["layer 1", "layer 10"]
    assert len(names) == 10


def test_a_member_of_another_project_sees_nothing_of_either_kind(lab: TrackingLab) -> None:
    inside = fenced_run(lab, "inside")
    mine = tracked(lab, "bound", 0, inside, loss=1.0)
    stranger = lab.lab("engineer", frozenset({"prj_elsewhereelsewhe"}))
    assert table(stranger, Wanted()).total == 0
    assert columns.columns(stranger) == []
    for name in (inside, mine):
        with pytest.raises(NotFound):
            run_view.page(stranger, name)
    with pytest.raises(NotFound):
        curves.curves(stranger, [mine], ["loss"])
    member = lab.lab("engineer", frozenset({SHARED}))
    assert table(member, Wanted()).total == 1


def test_an_experiment_is_a_filter_of_its_own(lab: TrackingLab) -> None:
    home = experiments.create(lab.visit(), "elsewhere")
    runs.create(lab.visit(), NewRun(str(home), START, "there"))
    tracked(lab, "here", 0)
    fenced_run(lab, "alone")
    assert found(lab, experiment="elsewhere") == ["there"]
    assert found(lab, experiment=str(home)) == ["there"]


def test_what_was_deleted_is_shown_where_it_is_asked_for(lab: TrackingLab) -> None:
    run = tracked(lab, "gone", 0)
    tracked(lab, "there", 0)
    runs.delete(lab.visit(), run)
    assert found(lab) == ["there"]
    assert found(lab, deleted=True) == ["gone"]


def test_a_run_is_one_page_by_either_id(lab: TrackingLab) -> None:
    fenced = fenced_run(lab, "inside", None)
    first = tracked(lab, "first", 0, fenced, loss=1.0)
    tracked(lab, "second", 1, fenced)
    both = run_view.page(lab.lab("auditor"), fenced)
    assert [one.name for one in both.tracked] == ["first", "second"]
    assert both.fenced is not None
    assert both.fenced.state == "running"
    own = run_view.page(lab.lab("auditor"), first)
    assert (own.run, [one.name for one in own.tracked]) == (first, ["first"])
    assert own.fenced is not None
    assert own.fenced.run == fenced
    assert own.tracked[0].metrics == 1


def test_a_curve_is_thinned_out_and_goes_on_where_it_was(lab: TrackingLab) -> None:
    visit = lab.visit()
    run = runs.create(visit, NewRun("0", START)).run.run
    for start in range(0, 5000, 1000):
        batch = [Point("loss", float(n), START + n, n) for n in range(start, start + 1000)]
        log.log(visit, run, batch)
    (whole,) = curves.curves(lab.lab(), [run], ["loss"], 200)
    assert (whole.total, whole.whole) == (5000, True)
    assert len(whole.steps) <= 200
    assert (whole.steps[0], whole.steps[-1]) == (0, 4999)
    log.log(visit, run, [Point("loss", math.nan, START + 5000, 5000)])
    (more,) = curves.curves(lab.lab(), [run], ["loss"], since_ms=whole.times_ms[-1])
    assert (more.total, more.whole) == (5001, False)
    assert (more.steps, more.values) == ((5000,), (None,))
    (late,) = curves.curves(lab.lab(), [run], ["loss"], since_ms=START + 5000)
    assert (late.total, late.steps) == (5001, ())


def test_a_curve_that_grew_too_much_comes_whole_again(quick_lab: TrackingLab) -> None:
    visit = quick_lab.visit()
    run = runs.create(visit, NewRun("0", START)).run.run
    for start in range(0, 6000, 1000):
        batch = [Point("loss", 1.0, START + n, n) for n in range(start, start + 1000)]
        log.log(visit, run, batch)
    (again,) = curves.curves(quick_lab.lab(), [run], ["loss"], 100, since_ms=START)
    assert again.whole
    assert len(again.steps) <= 100


def test_ten_thousand_names_of_metrics_are_searched_not_listed(quick_lab: TrackingLab) -> None:
    visit = quick_lab.visit()
    run = runs.create(visit, NewRun("0", START)).run.run
    for start in range(0, 10_000, 1000):
        names = range(start, start + 1000)
        log.log(visit, run, [Point(f"unit/{n:05}", 1.0, START, 0) for n in names])
    some = curves.metrics(quick_lab.lab(), run, "UNIT/0999", most=5)
    assert (some.total, len(some.found)) == (10, 5)
    assert some.found[0].metric == "unit/09990"
    assert curves.metrics(quick_lab.lab(), run, "%").total == 0
    assert table(quick_lab.lab(), Wanted()).rows[0].values == {}


def views_of(lab: Lab) -> list[str]:
    return [one.name for one in saved.views(lab)]


def test_a_view_is_its_members_own_and_holds_no_patient(lab: TrackingLab) -> None:
    lab.ids.known["p-004711"] = "sub_aaaaaaaaaaaaaaaa"
    mine = lab.lab()
    saved.save(mine, "best", saved.Asked("params.who = 'P-004711'", "metrics.loss ASC"))
    saved.save(mine, "best", saved.Asked("params.who = 'P-004711'", columns=("tags.a",)))
    (kept,) = saved.views(mine)
    assert kept.asked["columns"] == ["tags.a"]
    assert kept.asked["filter"] == "params.who = 'sub_aaaaaaaaaaaaaaaa'"
    from dataclasses import replace

    from cloister.core.ids import PersonId

    other = replace(mine, actor=replace(mine.actor, person=PersonId("per_bbbbbbbbbbbbbbbb")))
    assert views_of(other) == []
    with pytest.raises(NotFound):
        saved.remove(other, "best")
    saved.remove(mine, "best")
    assert views_of(mine) == []
    with pytest.raises(BadInput):
        saved.save(mine, " ", saved.Asked())
    assert lab.audit().found == 0


def test_a_run_that_is_none_is_not_found(quick_lab: TrackingLab) -> None:
    for name in ("run_nothing", "0" * 32, "nonsense", ""):
        with pytest.raises(NotFound):
            run_view.page(quick_lab.lab(), name)
    assert quick_lab.lab("auditor").may(Action.LIST)
