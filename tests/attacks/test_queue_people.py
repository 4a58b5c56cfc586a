"""Claim: in a shared queue nobody reaches another's job, project, priority or GPU."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloister.core.errors import BadInput, NotAllowed, NotFound
from cloister.core.files import take
from cloister.core.ids import RunId
from cloister.jobs import history
from cloister.jobs.asks import Box, Priority
from cloister.jobs.history import Job
from cloister.policy import Action
from cloister.runs import gpus
from cloister.runs.gpus import Gpus
from cloister.runs.live import Kind
from cloister.workflows.lab import Lab
from cloister.workflows.leases.holding import held, lock_path
from cloister.workflows.leases.live import live_log
from cloister.workflows.people.members import remove_member
from cloister.workflows.people.projects import create_project, join_project
from cloister.workflows.queue import requests
from cloister.workflows.queue.find import find
from cloister.workflows.queue.follow import may_follow, peek
from cloister.workflows.queue.overview import look
from cloister.workflows.queue.perform import perform, request_of
from cloister.workflows.queue.stop import stop
from cloister.workflows.queue.submit import submit, submit_from_elsewhere
from cloister.workflows.runs.run import RunReport, RunRequest
from tests.workflows.people.conftest import Team, founded, team

__all__ = ["founded", "team"]
BOX = Box((0, 1), 1 << 34)


def request(folder: Path, *words: str) -> RunRequest:
    return RunRequest(words or ("true",), folder, {})


def row(lab: Lab, run: RunId) -> Job:
    found = lab.read(lambda tx: history.find(tx, run))
    assert found is not None
    return found


def start(lab: Lab, run: RunId) -> None:
    act = lab.act(Action.RUN)
    act.record([act.event("job.started", {"cpus": [], "gpus": [], "run": run})])


def told(_: RunReport) -> dict[str, Any]:
    return {"notes": [], "value": None}


def test_anothers_job_is_stopped_by_an_admin_alone(team: Team, tmp_path: Path) -> None:
    ada, bo = team.member("ada", "engineer"), team.member("bo", "engineer")
    run = submit(ada, request(tmp_path))
    with pytest.raises(NotAllowed, match="another person's job"):
        stop(bo, run)
    assert row(ada, run).stopping is None
    assert stop(team.lab, run).outcome == "cancelled"
    own = submit(bo, request(tmp_path))
    assert stop(bo, own).outcome == "cancelled"


def test_what_anothers_job_says_needs_the_right_to_read_and_is_on_record(
    team: Team, tmp_path: Path
) -> None:
    cy, dee = team.member("cy", "engineer"), team.member("dee", "researcher")
    mine = submit(dee, request(tmp_path))
    reads = "SELECT count(*) FROM ledger_leaf WHERE instr(leaf, ?) > 0"
    mark = (b'"purpose":"log"',)
    before = team.lab.read(lambda tx: tx.query(reads, mark))[0][0]
    may_follow(dee, row(dee, mine)).read()
    assert team.lab.read(lambda tx: tx.query(reads, mark))[0][0] == before
    theirs = submit(cy, request(tmp_path))
    with pytest.raises(NotAllowed):
        may_follow(dee, row(dee, theirs))
    shown = {one.job.run: one.command for one in look(dee, BOX, service=True).jobs}
    assert (shown[mine], shown[theirs]) == ("true", None)
    may_follow(cy, row(cy, mine)).read()
    assert team.lab.read(lambda tx: tx.query(reads, mark))[0][0] == before + 1


def test_a_job_of_another_project_is_not_there(team: Team, tmp_path: Path) -> None:
    create_project(team.lab, "ward3")
    team.member("eve", "engineer", "ward3")
    fay = team.member("fay", "engineer")
    run = submit(team.again("eve"), request(tmp_path, "train", "secret"))
    for attempt in (find, stop):
        with pytest.raises(NotFound):
            attempt(fay, run)
    view = look(fay, BOX, service=True)
    assert run not in {one.job.run for one in view.jobs}
    assert view.hidden >= 1
    join_project(team.lab, "ward3", "fay")
    assert find(team.again("fay"), run).run == run


def test_the_first_place_in_the_queue_is_for_admins(team: Team, tmp_path: Path) -> None:
    gus = team.member("gus", "engineer")
    first = replace(request(tmp_path), priority=Priority.HIGH)
    with pytest.raises(NotAllowed, match="priority high"):
        submit(gus, first)
    assert row(team.lab, submit(team.lab, first)).priority == "high"


def test_a_job_of_somebody_who_left_does_not_begin(team: Team, tmp_path: Path) -> None:
    hal = team.member("hal", "engineer")
    run = submit(hal, request(tmp_path))
    remove_member(team.lab, "hal")
    start(team.lab, run)
    with pytest.raises(NotAllowed, match="no member any more"):
        perform(team.lab, run, take(lock_path(team.lab, run)), told)
    assert row(team.lab, run).outcome == "refused"
    assert team.lab.read(lambda tx: tx.query("SELECT 1 FROM run WHERE run = ?", (run,))) == []


def test_a_process_that_comes_late_begins_nothing(team: Team, tmp_path: Path) -> None:
    """A service that was held up starts a run that was put back, or is over, meanwhile."""
    run = submit(team.lab, request(tmp_path, "sh", "-c", "echo once"))
    perform(team.lab, run, take(lock_path(team.lab, run)), told)
    assert row(team.lab, run).state == "queued"
    start(team.lab, run)
    for _ in range(2):
        perform(team.lab, run, take(lock_path(team.lab, run)), told)
    assert row(team.lab, run).outcome == "finished"
    said = [one.content for one in peek(team.lab, run, 0)[0] if one.kind is Kind.OUT]
    assert said == [b"once\n"]


def test_a_run_that_begins_is_nobody_elses_to_end(team: Team, tmp_path: Path) -> None:
    from cloister.workflows.queue.dispatch import set_right

    run = submit(team.lab, request(tmp_path))
    start(team.lab, run)
    with held(team.lab, run):
        set_right(team.lab)
        assert row(team.lab, run).state == "running"
    set_right(team.lab)
    assert row(team.lab, run).state == "queued"
    stop(team.lab, run)


def test_what_a_job_says_is_never_readable_on_the_disk(team: Team, tmp_path: Path) -> None:
    run = submit(team.lab, request(tmp_path, "train", "--patient", "Zoltan Quimby"))
    with live_log(team.lab, run) as log:
        log.add(Kind.OUT, b"patient Zoltan Quimby is worse\n")
        frames, _ = peek(team.lab, run, 0)
        assert frames[0].content == b"patient Zoltan Quimby is worse\n"
        files = [path for path in team.lab.folder.rglob("*") if path.is_file()]
        assert any(path.parent.name == "live" for path in files)
        assert [path for path in files if b"Quimby" in path.read_bytes()] == []
        assert all(
            path.stat().st_mode & 0o077 == 0 for path in files if path.parent.name == "live"
        )
    stop(team.lab, run)


def test_who_is_not_at_the_machine_works_where_those_who_are_say_so(
    team: Team, tmp_path: Path
) -> None:
    given, other = tmp_path / "given", tmp_path / "other"
    for folder in (given / "inner", other):
        folder.mkdir(parents=True)
    (given / "link").symlink_to(other)
    (other / "notes").write_text("ssh key")
    lab = replace(team.lab, folders=(given,))
    ways = (
        other,
        given / "link",
        given / "../other",
        Path("link"),
        Path("/"),
        Path("../other"),
    )
    for way in ways:
        with pytest.raises(BadInput, match="do not work in that folder"):
            submit_from_elsewhere(lab, request(way))
    with pytest.raises(BadInput, match="do not work"):
        submit_from_elsewhere(team.lab, request(given))
    with pytest.raises(BadInput, match="no such folder"):
        submit_from_elsewhere(lab, request(given / "nowhere"))
    for way in (given, Path("inner"), Path(".")):
        asked = replace(request(way), reads=(other,))
        run = submit_from_elsewhere(lab, asked)
        wanted = requests.read(request_of(lab, row(lab, run)))
        assert isinstance(wanted, RunRequest)
        assert wanted.reads == ()
        assert wanted.workdir in {given, given / "inner"}
        stop(lab, run)


def test_only_the_nodes_of_leased_gpus_are_shown(tmp_path: Path) -> None:
    for name in ("nvidia0", "nvidia1", "nvidia2", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / name).touch()
    shown = [path.name for path in gpus.nodes((1,), tmp_path, Gpus(None))]
    assert shown == ["nvidia1", "nvidiactl", "nvidia-uvm"]
    assert gpus.nodes((), tmp_path, Gpus(None)) == ()
    assert os.listdir(tmp_path)
