"""What scripts log: kept whole, replayable, refused where MLflow's server refuses it."""

from __future__ import annotations

import math
import threading

import pytest

from cloister.core.errors import BadInput, Conflict, NotAllowed, NotFound
from cloister.tracking.inputs import Dataset, DatasetInput, ModelLink
from cloister.tracking.notes import Note
from cloister.tracking.points import Point
from cloister.workflows.tracking import experiments, log, metrics, model_history, runs
from cloister.workflows.tracking.runs import NewRun
from cloister.workflows.tracking.seen import SeenRun
from cloister.workflows.tracking.visit import Visit
from tests.tracking.lab import TrackingLab


def begin(visit: Visit, **fields: object) -> str:
    return runs.create(visit, NewRun("0", **fields)).run.run  # type: ignore[arg-type]


def latest(visit: Visit, run: str) -> dict[str, tuple[float, int, int]]:
    found = runs.get(visit, run).metrics
    return {one.metric: (one.value, one.time_ms, one.step) for one in found}


def test_a_run_is_what_was_said_of_it(visit: Visit) -> None:
    made = runs.create(visit, NewRun("0", 7, "first", "ann", (Note("a", "1"), Note("a", "2"))))
    assert (made.run.name, made.run.user_id, made.run.status) == ("first", "ann", "RUNNING")
    assert dict(made.tags) == {"a": "2", "mlflow.runName": "first"}
    assert made.run.artifacts == f"mlflow-artifacts:/0/{made.run.run}/artifacts"
    told = runs.get(visit, made.run.run)
    assert told == made._replace(metrics=[], params=[])
    ended = runs.update(visit, made.run.run, "FINISHED", 9, "second")
    assert ended == runs.get(visit, made.run.run).run
    assert (ended.status, ended.ended_ms, ended.name) == ("FINISHED", 9, "second")
    assert dict(runs.get(visit, made.run.run).tags)["mlflow.runName"] == "second"


def test_a_nameless_run_gets_a_name_and_two_names_are_refused(visit: Visit) -> None:
    assert runs.create(visit, NewRun("0")).run.name.count("-") == 2
    with pytest.raises(BadInput, match="different values"):
        runs.create(visit, NewRun("0", name="a", tags=(Note("mlflow.runName", "b"),)))


def test_the_latest_value_is_of_the_greatest_step_then_time_then_value(visit: Visit) -> None:
    run = begin(visit)
    log.log(visit, run, [Point("m", 1.0, 50, 3), Point("m", 9.0, 99, 2), Point("n", 1.0, 1, 0)])
    assert latest(visit, run)["m"] == (1.0, 50, 3)
    log.log(visit, run, [Point("m", 0.5, 60, 3)])  # later
    log.log(visit, run, [Point("m", 0.4, 60, 3)])  # as late, but smaller
    log.log(visit, run, [Point("m", 7.0, 90, -5)])
    assert latest(visit, run)["m"] == (0.5, 60, 3)
    history = metrics.whole(visit, run, "m").found
    assert [one.time_ms for one in history] == [50, 60, 60, 90, 99]


def test_points_that_are_no_numbers_come_back_as_they_were(lab: TrackingLab) -> None:
    visit = lab.visit()
    run = begin(visit)
    values = [math.nan, math.inf, -math.inf, 5e-324, 1.7976931348623157e308, -0.0, 0.1]
    log.log(visit, run, [Point("m", value, 1, step) for step, value in enumerate(values)])
    found = [one.value for one in metrics.whole(visit, run, "m").found]
    assert list(map(repr, found[:5])) == list(map(repr, values[:5]))
    assert found[5:] == [0.0, 0.1]
    assert latest(visit, run)["m"][0] == 0.1
    log.log(visit, run, [Point("m", math.nan, 1, 99)])
    assert math.isnan(latest(visit, run)["m"][0])
    assert lab.audit().findings == ()


def test_a_point_that_is_sent_twice_stays_one(visit: Visit) -> None:
    run = begin(visit)
    for _ in range(2):
        log.log(visit, run, [Point("m", math.nan, 1, 1), Point("m", 2.0, 1, 1)] * 3)
    assert len(metrics.whole(visit, run, "m").found) == 2


def test_a_parameter_stays_what_it_is(visit: Visit) -> None:
    run = begin(visit)
    log.log(visit, run, params=[Note("lr", "0.1"), Note("empty", "")])
    log.log(visit, run, params=[Note("lr", "0.1"), Note("é/ü", "x")])
    with pytest.raises(BadInput, match="Changing param values is not allowed") as caught:
        log.log(visit, run, [Point("m", 1.0, 1, 1)], [Note("new", "1"), Note("lr", "0.2")])
    assert "0.2" not in str(caught.value), "values may name patients"
    found = runs.get(visit, run)
    assert dict(found.params) == {"empty": "", "lr": "0.1", "é/ü": "x"}
    assert not found.metrics, "a refused request leaves nothing"
    with pytest.raises(BadInput, match="Duplicate parameter keys"):
        log.log(visit, run, params=[Note("a", "1"), Note("a", "1")])


def test_of_tags_the_last_stands_and_one_can_be_taken_off(visit: Visit) -> None:
    run = begin(visit)
    log.log(visit, run, tags=[Note("a", "1"), Note("a", "2"), Note("mlflow.runName", "named")])
    found = runs.get(visit, run)
    assert dict(found.tags) == {"a": "2", "mlflow.runName": "named"}
    assert found.run.name == "named"
    log.remove_tag(visit, run, "a")
    with pytest.raises(NotFound):
        log.remove_tag(visit, run, "a")
    log.log(visit, run, tags=[Note("a", "3")])
    assert dict(runs.get(visit, run).tags)["a"] == "3"


@pytest.mark.parametrize(
    ("points", "params", "tags"),
    [
        ([Point("", 1.0, 1, 1)], [], []),
        ([Point("a\nb", 1.0, 1, 1)], [], []),
        ([Point("../a", 1.0, 1, 1)], [], []),
        ([Point("a//b", 1.0, 1, 1)], [], []),
        ([Point("/a", 1.0, 1, 1)], [], []),
        ([Point("a" * 251, 1.0, 1, 1)], [], []),
        ([Point("a", 1.0, -1, 1)], [], []),
        ([Point("a", 1.0, 1, 1 << 63)], [], []),
        ([Point("a", 1.0, 1, 1)] * 1001, [], []),
        ([], [Note("a;b", "")], []),
        ([], [Note("a", "x" * 6001)], []),
        ([], [Note("a", "x\0")], []),
        ([], [Note(str(n), "") for n in range(101)], []),
        ([], [], [Note("a", "x" * 8001)]),
        ([], [], [Note("a", "x" * 10_000_000)]),
        ([], [], [Note("a", "\ud800")]),
        ([Point("a", 1.0, 1, n) for n in range(999)], [Note("a", "")], [Note("b", "")]),
    ],
)
def test_what_mlflow_refuses_is_refused_whole(
    quick_visit: Visit, points: list[Point], params: list[Note], tags: list[Note]
) -> None:
    visit = quick_visit
    run = begin(visit)
    before = runs.get(visit, run)
    with pytest.raises(BadInput) as caught:
        log.log(visit, run, points, params, tags)
    assert len(str(caught.value)) < 500
    assert runs.get(visit, run) == before


def test_a_deleted_run_takes_nothing_until_it_is_restored(visit: Visit) -> None:
    run = begin(visit)
    runs.delete(visit, run)
    runs.delete(visit, run)
    for refused in (
        lambda: log.log(visit, run, [Point("m", 1.0, 1, 1)]),
        lambda: log.log_inputs(visit, run, models=[ModelLink("m-1")]),
        lambda: runs.update(visit, run, "FINISHED"),
    ):
        with pytest.raises(BadInput, match="must be in the 'active' state"):
            refused()
    assert runs.search(visit, ["0"]).found == []
    assert len(runs.search(visit, ["0"], view="DELETED_ONLY").found) == 1
    runs.restore(visit, run)
    log.log(visit, run, [Point("m", 1.0, 1, 1)])
    with pytest.raises(NotFound):
        log.log(visit, "0" * 32, [Point("m", 1.0, 1, 1)])


def test_inputs_are_named_once_and_the_first_description_stays(lab: TrackingLab) -> None:
    visit = lab.visit()
    first, second = begin(visit), begin(visit)
    one = Dataset("wards", "d1", "local", "/data", "{}", None)
    other = one._replace(source="/elsewhere")
    training = (Note("mlflow.data.context", "training"),)
    log.log_inputs(visit, first, [DatasetInput(one, training), DatasetInput(one, ())])
    log.log_inputs(visit, first, [DatasetInput(other, ())], [ModelLink("m-1")])
    log.log_inputs(visit, second, [DatasetInput(other, ())])
    log.log_outputs(visit, first, [ModelLink("m-2", 4), ModelLink("m-2", 4)])
    found = runs.get(visit, first).inputs
    assert found is not None
    assert found.datasets == [DatasetInput(one, training)]
    assert (found.models_in, found.models_out) == ([ModelLink("m-1")], [ModelLink("m-2", 4)])
    assert runs.get(visit, second).inputs == ([DatasetInput(one, ())], [], [])
    assert lab.audit().findings == ()


def test_the_tag_of_logged_models_grows_and_forgets_the_oldest(visit: Visit) -> None:
    run = begin(visit)
    described = '{"artifact_path": "m%d", "flavors": {"f": {"code": "%s"}}, "run_id": "r"}'
    for number in range(6):
        model_history.add(visit, run, described % (number, "x" * 2000))
    tag = dict(runs.get(visit, run).tags)[model_history.TAG]
    assert len(tag) <= 8000
    assert '"m0"' not in tag
    assert '"m5"' in tag
    for wrong in ("{", "[]", "{}"):
        with pytest.raises(BadInput):
            model_history.add(visit, run, wrong)


def test_who_may_not_run_may_not_log(lab: TrackingLab) -> None:
    run = begin(lab.visit())
    for refused in (
        lambda: log.log(lab.visit("auditor"), run, [Point("m", 1.0, 1, 1)]),
        lambda: runs.create(lab.visit("annotator"), NewRun("0")),
        lambda: experiments.create(lab.visit("auditor"), "x"),
        lambda: runs.get(lab.visit("service"), run),
    ):
        with pytest.raises(NotAllowed):
            refused()
    assert runs.get(lab.visit("auditor"), run).run.run == run


def test_experiments_and_their_runs_come_and_go_together(lab: TrackingLab) -> None:
    visit = lab.visit()
    number = experiments.create(visit, "näme", [Note("team", "a")])
    run = runs.create(visit, NewRun(number)).run.run
    for taken in ("näme", "Default"):
        with pytest.raises(Conflict, match="already exists"):
            experiments.create(visit, taken)
    experiments.set_tag(visit, number, "team", "b")
    experiments.set_tag(visit, number, "more", "x" * 20_000)
    experiments.remove_tag(visit, number, "more")
    assert experiments.named(visit, "näme").tags == [Note("team", "b")]
    experiments.delete(visit, number)
    assert runs.get(visit, run).run.stage == "deleted"
    with pytest.raises(BadInput, match="'active' state"):
        runs.create(visit, NewRun(number))
    with pytest.raises(BadInput, match="non-active"):
        experiments.rename(visit, number, "other")
    with pytest.raises(NotFound):
        experiments.delete(visit, number)
    experiments.restore(visit, number)
    experiments.rename(visit, number, "other")
    assert runs.get(visit, run).run.stage == "active"
    assert experiments.get(visit, number).experiment.name == "other"
    with pytest.raises(NotFound):
        experiments.named(visit, "näme")
    assert lab.audit().findings == ()


def test_a_fenced_run_sees_its_own_runs_alone(lab: TrackingLab) -> None:
    mine, other = "run_aaaaaaaaaaaaaaaa", "run_bbbbbbbbbbbbbbbb"
    job, neighbour, outside = lab.visit(fenced=mine), lab.visit(fenced=other), lab.visit()
    number = experiments.create(outside, "shared")
    own = runs.create(job, NewRun(number)).run
    assert own.fenced == mine
    foreign = [runs.create(one, NewRun(number)).run.run for one in (neighbour, outside)]
    for run in foreign:
        for refused in (
            lambda run=run: runs.get(job, run),
            lambda run=run: log.log(job, run, [Point("m", 1.0, 1, 1)]),
            lambda run=run: runs.delete(job, run),
            lambda run=run: metrics.whole(job, run, "m"),
            lambda run=run: metrics.thinned(job, [run], "m"),
            lambda run=run: log.remove_tag(job, run, "mlflow.runName"),
        ):
            with pytest.raises(NotFound):
                refused()
    assert metrics.together(job, foreign, "m") == []
    assert [one.run.run for one in runs.search(job, [number]).found] == [own.run]
    assert len(runs.search(outside, [number]).found) == 3
    with pytest.raises(NotAllowed):
        experiments.delete(job, number)
    experiments.create(neighbour, "unseen")
    assert {one.experiment.name for one in experiments.search(job).found} == {
        "Default",
        "shared",
    }


def test_fifty_threads_lose_nothing(tmp_path: object, lab: TrackingLab) -> None:
    visit = lab.visit()
    run = begin(visit)
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for step in range(10):
                log.log(
                    visit,
                    run,
                    [
                        Point("shared", float(number), step, step),
                        Point(f"own-{number}", 1, 1, step),
                    ],
                    [Note(f"p{number}-{step}", "x")],
                    [Note("last", f"{number}")],
                )
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    found: SeenRun = runs.get(visit, run)
    assert len(metrics.whole(visit, run, "shared").found) == 500
    assert len(found.params) == 500
    assert {one.step for one in found.metrics} == {9}
    assert lab.audit().findings == ()


def test_another_projects_objects_are_not_there(lab: TrackingLab) -> None:
    one, other = lab.visit("engineer", None, "prj_one"), lab.visit("engineer", None, "prj_two")
    both, everything = lab.visit("engineer", None, "prj_one", "prj_two"), lab.visit("admin")
    for visit in (one, other):
        number = experiments.create(visit, "of the same name")
        assert experiments.named(visit, "of the same name").experiment.number == int(number)
    hidden = runs.create(one, NewRun("0", name="mine")).run
    assert hidden.project == "prj_one"
    assert experiments.get(one, "0").experiment.name == "Default"
    assert experiments.get(one, "0") != experiments.get(other, "0")
    number = str(hidden.experiment)
    for refused in (
        lambda: runs.get(other, hidden.run),
        lambda: log.log(other, hidden.run, [Point("m", 1.0, 1, 1)]),
        lambda: runs.delete(other, hidden.run),
        lambda: experiments.get(other, number),
        lambda: experiments.set_tag(other, number, "a", "b"),
        lambda: runs.create(other, NewRun(number)),
        lambda: metrics.thinned(other, [hidden.run], "m"),
    ):
        with pytest.raises(NotFound, match=r"not found|No Experiment"):
            refused()
    assert runs.search(other, [number]).found == []
    assert [one.run.run for one in runs.search(one, ["0"]).found] == [hidden.run]
    for visit in (both, everything):
        assert [one.run.run for one in runs.search(visit, [number]).found] == [hidden.run]
    names = [one.experiment.name for one in experiments.search(other).found]
    assert sorted(names) == ["Default", "of the same name"]
    assert len(experiments.search(both).found) == 4
    with pytest.raises(BadInput):
        experiments.rename(one, number, "other")
    assert lab.audit().findings == ()
