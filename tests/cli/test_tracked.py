"""`cloister tracked`, as typed, on runs that were tracked in this process."""

from __future__ import annotations

from cloister.app.platform import MIGRATIONS
from cloister.core.clock import SystemClock
from cloister.db import scratch_database, table_layout
from cloister.tracking import TABLES
from cloister.tracking.inputs import Dataset, DatasetInput, ModelLink
from cloister.tracking.notes import Note
from cloister.tracking.points import Point
from cloister.workflows.tracking import artifacts, experiments, log, logged_models, runs
from cloister.workflows.tracking.logged_models import NewModel
from cloister.workflows.tracking.runs import NewRun
from cloister.workflows.tracking.visit import Visit
from tests.conftest import Shell
from tests.workflows.people.conftest import opened_team


def tracked(visit: Visit, number: str, name: str) -> str:
    run = runs.create(visit, NewRun(number, name=name)).run.run
    points = [Point("loss", 1.0 / (step + 1), step, step) for step in range(500)]
    log.log(visit, run, points, [Note("lr", "0.1")], [Note("team", "a")])
    data = DatasetInput(Dataset("wards", "d1", "local", "/x"), (Note("k", "v"),))
    log.log_inputs(visit, run, [data], [ModelLink("m-1")])
    artifacts.put(visit, f"{number}/{run}/artifacts/plot.txt", [b"a plot"])
    model = NewModel(number, "net", source_run=run, tags=(Note("stage", "a"),))
    logged_models.create(visit, model)
    return run


def rows_of(lab: Shell, run: str) -> int:
    """Rows of any table of tracking that name the run, its series' points included."""
    with scratch_database(MIGRATIONS) as empty:
        layouts = [table_layout(empty, table) for table in TABLES]
    return sum(
        lab.sql(f"SELECT COUNT(*) FROM {layout.name} WHERE {column} = ?", run)[0][0]
        for layout in layouts
        for column in {"run", "holder", "source_run"} & {*layout.key, *layout.rest}
    )


def points_in(lab: Shell) -> int:
    return sum(
        lab.sql(f"SELECT COUNT(*) FROM {table}")[0][0]
        for table in ("track_point", "track_thinned")
    )


def notes_of_models(lab: Shell) -> int:
    sql = "SELECT COUNT(*) FROM track_tag WHERE run LIKE 'model:%' AND name = 'stage'"
    return int(lab.sql(sql)[0][0])


def test_a_purged_run_is_nowhere_and_a_deleted_one_comes_back(lab: Shell) -> None:
    with opened_team(lab, SystemClock()) as team:
        visit = Visit(team.lab)
        number = experiments.create(visit, "ward 3")
        kept, gone = tracked(visit, number, "kept"), tracked(visit, number, "gone")
        one_runs = points_in(lab) // 2
    listed = lab.json("tracked", "ls", "ward 3", "--filter", "params.lr = '0.1'")
    assert {one["run"] for one in listed} == {kept, gone}
    assert listed[0]["metrics"]["loss"] == "0.002"
    assert lab("tracked", "ls").stdout.count("ward 3") == 2
    assert lab("tracked", "ls", "nowhere", status=2).stderr.count("E101") == 1
    assert lab("tracked", "ls", "--filter", "loss >", status=2).stderr.count("E103") == 1
    lab("tracked", "purge", gone, status=2)  # not deleted yet
    with opened_team(lab, SystemClock()) as team:
        for run in (kept, gone):
            runs.delete(Visit(team.lab), run)
    assert lab.json("tracked", "ls", "ward 3") == []
    assert len(lab.json("tracked", "ls", "ward 3", "--deleted")) == 2
    assert lab.json("tracked", "purge", "--days", "1")["runs"] == []
    shown = lab.json("tracked", "purge", gone, "--dry-run")
    assert (shown["dry_run"], shown["runs"], shown["freed_bytes"]) == (True, [gone], 0)
    assert rows_of(lab, gone) > 8
    assert notes_of_models(lab) == 2
    done = lab.json("tracked", "purge", gone)
    assert done["runs"] == [gone]
    assert "the ledger keeps for ever" in done["stays"][0]
    logged = [leaf for (leaf,) in lab.sql("SELECT leaf FROM ledger_leaf") if gone in str(leaf)]
    assert any("tracked.logged" in str(leaf) for leaf in logged), "as it said"
    assert rows_of(lab, gone) == 0
    assert points_in(lab) == one_runs
    assert notes_of_models(lab) == 1
    lab("tracked", "purge", gone, status=2)
    with opened_team(lab, SystemClock()) as team:
        runs.restore(Visit(team.lab), kept)
    (left,) = lab.json("tracked", "ls", "ward 3")
    assert (left["run"], left["params"]) == (kept, {"lr": "0.1"})
    assert lab.json("audit")["whole"]


def test_all_that_were_deleted_long_ago_are_purged_together(lab: Shell) -> None:
    with opened_team(lab, SystemClock()) as team:
        visit = Visit(team.lab)
        made = [tracked(visit, "0", f"run {number}") for number in range(25)]
        for run in made[:-1]:
            runs.delete(visit, run)
    assert sorted(lab.json("tracked", "purge", "--days", "0")["runs"]) == sorted(made[:-1])
    assert [one["run"] for one in lab.json("tracked", "ls")] == made[-1:]
    assert lab.json("audit")["whole"]
