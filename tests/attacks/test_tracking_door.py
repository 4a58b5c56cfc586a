"""Claim: the door in the fence leads a job to its own tracking and to nothing else.

Each job is hostile code that speaks HTTP by hand: what it prints after ``REACHED`` is a hole.
"""

from __future__ import annotations

import json
import os
import re
import textwrap
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from cloister.core.errors import NotAllowed, NotFound
from cloister.core.ids import RunId
from cloister.identity.projects import SHARED
from cloister.policy import Action, Resource
from cloister.workflows.tracking import runs
from cloister.workflows.tracking.runs import NewRun
from cloister.workflows.tracking.visit import of_job
from tests.cli.gateway import gateway
from tests.conftest import Shell, new_lab
from tests.tracking.lab import TrackingLab

PRELUDE = """
import http.client, json, os, socket, sys, threading, time
API = "/api/2.0/mlflow/"
def ask(method, path, body=None, headers={}, timeout=20):
    caller = http.client.HTTPConnection("127.0.0.1", 5000, timeout=timeout)
    text = None if body is None else json.dumps(body)
    caller.request(method, path, text, headers)
    answer = caller.getresponse()
    content = answer.read()
    caller.close()
    try: return answer.status, json.loads(content)
    except ValueError: return answer.status, content.decode()
def begin(**fields):
    status, answer = ask("POST", API + "runs/create", {"experiment_id": "0", **fields})
    assert status == 200, answer
    return answer["run"]
def reached(*what): print("REACHED", *what, flush=True)
def say(**facts): print("SAID", json.dumps(facts), flush=True)
"""


@pytest.fixture(scope="module")
def ward() -> Iterator[Shell]:
    """A lab, for all jobs of this file."""
    with new_lab() as shell:
        yield shell


class Job:
    """What one job said, and what was said of it."""

    def __init__(self, shell: Shell, body: str, *arguments: str, **options: Any) -> None:
        name = f"job{time.monotonic_ns()}.py"
        (shell.folder / name).write_text(PRELUDE + textwrap.dedent(body))
        done = shell("run", "--", "python", name, *arguments, status=None, **options)
        self.out, self.err, self.status = done.stdout, done.stderr, done.returncode
        assert "REACHED" not in self.out, self.out
        assert self.status == 0, (self.out, self.err)

    @property
    def said(self) -> dict[str, Any]:
        return dict(json.loads(re.findall(r"^SAID (.*)$", self.out, re.MULTILINE)[-1]))

    @property
    def run(self) -> str:
        return re.findall(r"^(run_\w+) finished", self.out + self.err, re.MULTILINE)[-1]


def tags_of(run: dict[str, Any]) -> list[tuple[str, str]]:
    return [(tag["key"], tag["value"]) for tag in run["data"]["tags"]]


def test_a_job_reaches_no_run_but_its_own(ward: Shell) -> None:
    other = Job(
        ward, "say(run=begin(tags=[{'key': 'secret', 'value': 'x'}])['info']['run_id'])"
    )
    with gateway(ward) as up, up.client() as client:
        made = client.post("/api/2.0/mlflow/runs/create", json={"experiment_id": "0"}).json()
    outside = made["run"]["info"]["run_id"]
    body = """
    mine = begin()["info"]["run_id"]
    for theirs in sys.argv[1:]:
        point = {"run_id": theirs, "key": "m", "value": 1, "timestamp": 1}
        tag = {"run_id": theirs, "key": "k", "value": "v"}
        for method, what, fields in (
            ("GET", "runs/get?run_id=" + theirs, None),
            ("GET", "metrics/get-history?metric_key=m&run_id=" + theirs, None),
            ("POST", "runs/log-metric", point), ("POST", "runs/set-tag", tag),
            ("POST", "runs/update", {"run_id": theirs, "status": "FAILED"}),
            ("POST", "runs/delete", {"run_id": theirs}),
        ):
            status, answer = ask(method, API + what, fields)
            if status != 404: reached(what, status, answer)
    for wanted in {}, {"filter": "tags.secret = 'x'"}, {"run_view_type": "ALL"}:
        asked = {"experiment_ids": [str(n) for n in range(10)], **wanted}
        found = ask("POST", API + "runs/search", asked)[1].get("runs", [])
        if {one["info"]["run_id"] for one in found} - {mine}: reached("search", wanted)
    """
    Job(ward, body, other.said["run"], outside)


def test_a_job_is_its_run_whatever_it_says(ward: Shell) -> None:
    before = Job(ward, "say(run=begin()['info']['run_id'])")
    body = """
    lie = sys.argv[1]
    claims = {"Authorization": "Bearer x", "X-Forwarded-User": "root", "X-Cloister-Run": lie,
              "Cookie": "__Host-cloister=x", "Host": "cloister.example"}
    fields = {"experiment_id": "0", "run": lie, "fenced": lie, "actor": "per_x",
              "user_id": "somebody", "tags": [{"key": "cloister.fence", "value": lie}]}
    status, answer = ask("POST", API + "runs/create", fields, claims)
    assert status == 200, answer
    mine = answer["run"]["info"]["run_id"]
    tag = {"run_id": mine, "key": "cloister.fence", "value": "unfenced"}
    ask("POST", API + "runs/set-tag", tag)
    say(mine=mine, run=ask("GET", API + "runs/get?run_id=" + mine)[1]["run"])
    """
    job = Job(ward, body, before.run)
    fences = [value for key, value in tags_of(job.said["run"]) if key == "cloister.fence"]
    assert fences == [job.run]
    leaves = ward.sql("SELECT leaf FROM ledger_leaf")
    events = [json.loads(leaf) for (leaf,) in leaves]
    (begun,) = [one for one in events if one["body"].get("tracked") == job.said["mine"]
                and one["type"] == "tracked.begun"]  # fmt: skip
    (started,) = [
        one for one in events if one["type"] == "run.begun" and one["body"]["run"] == job.run
    ]
    assert begun["body"]["run"] == job.run
    assert begun["actor"] == started["actor"]
    ward("audit")


def test_behind_the_door_is_nothing_but_tracking(ward: Shell) -> None:
    body = """
    begin()
    for path in ("/", "/login", "/account", "/people", "/join/x", "/approvals",
                 "/v2/health/live", "/v2/models/m/infer", "/static/people.css", "/docs",
                 "/../../etc/passwd", "http://127.0.0.1:8443/login", "/api/../login"):
        for method in "GET", "POST", "PUT":
            status, _ = ask(method, path, {} if method != "GET" else None)
            if status not in {404, 405, 501}: reached(method, path, status)
    for change in ({"experiment_id": "0", "new_name": "x"}, {"experiment_id": "0"}):
        for what in "update", "delete", "restore":
            status, _ = ask("POST", API + "experiments/" + what, change)
            if status == 200: reached(what)
    """
    Job(ward, body)


def test_attempts_to_leave_by_the_door_fail_and_are_counted_as_before(ward: Shell) -> None:
    body = """
    held = [os.readlink("/proc/self/fd/" + one) for one in os.listdir("/proc/self/fd")
            if os.path.lexists("/proc/self/fd/" + one)]
    if any(one.startswith("socket:") for one in held[3:]): reached(held)
    begin()
    for line in (b"CONNECT 1.1.1.1:443 HTTP/1.1\\r\\nHost: 1.1.1.1:443\\r\\n\\r\\n",
                 b"GET http://1.1.1.1/ HTTP/1.1\\r\\nHost: 1.1.1.1\\r\\n\\r\\n"):
        caller = socket.create_connection(("127.0.0.1", 5000), 10)
        caller.sendall(line)
        answer = caller.recv(1000)
        if b" 200 " in answer.split(b"\\r\\n")[0]: reached(answer)
    for _ in range(2):
        try: socket.create_connection(("1.1.1.1", 443), 3)
        except OSError: pass
        else: reached("the network")
    try: socket.create_server(("127.0.0.1", 5000))
    except OSError: pass
    else: reached("the door's own address")
    """
    job = Job(ward, body)
    counted = re.search(r"refused\s+(\d+) attempts", job.out + job.err)
    assert counted is not None
    assert int(counted[1]) >= 2


def test_two_jobs_at_once_have_a_door_each(ward: Shell) -> None:
    for name in ("one", "two"):
        body = f"""
        run = begin(run_name={name!r})
        time.sleep(2)
        found = ask("POST", API + "runs/search", {{"experiment_ids": ["0"]}})[1]["runs"]
        say(names=[one["info"]["run_name"] for one in found])
        """
        (ward.folder / f"{name}.py").write_text(PRELUDE + textwrap.dedent(body))
    jobs = [ward.start("run", "--", "python", f"{name}.py") for name in ("one", "two")]
    for name, job in zip(("one", "two"), jobs, strict=True):
        out, err = job.communicate(timeout=120)
        assert job.returncode == 0, err
        assert f'SAID {{"names": ["{name}"]}}' in out, out


def test_a_flood_at_the_door_costs_the_runner_little(ward: Shell) -> None:
    body = """
    begin()
    for _ in range(4):  # processes with connections that say nothing
        if os.fork() == 0:
            held = []
            for _ in range(800):
                try: held.append(socket.create_connection(("127.0.0.1", 5000), 1))
                except OSError: pass
            time.sleep(1)
            os._exit(0)
    for _ in range(4): os.wait()
    head = b"POST /api/2.0/mlflow/runs/log-batch HTTP/1.1\\r\\nHost: x\\r\\n"
    chunk = b"x" * (1 << 20)
    def pour():
        try:
            caller = socket.create_connection(("127.0.0.1", 5000), 5)
            caller.sendall(head + b"Content-Length: 33000000\\r\\n\\r\\n")
            for _ in range(30): caller.sendall(chunk)
            time.sleep(2)
        except OSError: pass
    pourers = [threading.Thread(target=pour) for _ in range(40)]
    for one in pourers: one.start()
    for one in pourers: one.join()
    for line in (b"GET / HTTP/1.1\\r\\n" + b"a: b\\r\\n" * 20000, b"\\x16\\x03\\x01" * 9999):
        try:
            caller = socket.create_connection(("127.0.0.1", 5000), 5)
            caller.sendall(line)
        except OSError: pass
    deadline = time.monotonic() + 150
    while True:
        try:
            begin()
            break
        except (OSError, AssertionError, http.client.HTTPException):
            if time.monotonic() > deadline: raise
            time.sleep(0.3)
    say(answered=True)
    os._exit(0)
    """
    (ward.folder / "flood.py").write_text(PRELUDE + textwrap.dedent(body))
    process = ward.start("run", "--", "python", "flood.py")
    most_kb, most_open, began_s = 0, 0, time.monotonic()
    while process.poll() is None and time.monotonic() - began_s < 240:
        status = Path(f"/proc/{process.pid}/status").read_text()
        peak = re.search(r"VmHWM:\s+(\d+) kB", status)
        most_kb = max(most_kb, int(peak[1]) if peak else 0)
        most_open = max(most_open, len(os.listdir(f"/proc/{process.pid}/fd")))
        time.sleep(0.05)
    out, err = process.communicate(timeout=50)
    assert process.returncode == 0, err
    assert 'SAID {"answered": true}' in out
    assert most_kb < 320_000, most_kb
    assert most_open < 400, most_open  # else nothing could be opened to keep what the job left


def test_a_job_that_ends_in_the_middle_of_a_request_ends_the_run(ward: Shell) -> None:
    body = """
    begin()
    caller = socket.create_connection(("127.0.0.1", 5000), 5)
    head = b"POST /api/2.0/mlflow/runs/create HTTP/1.1\\r\\nContent-Length: 9999\\r\\n\\r\\n"
    caller.sendall(head + b"{")
    os._exit(0)
    """
    times_s = [time.monotonic()]
    for one in ("begin()", body):
        Job(ward, one)
        times_s.append(time.monotonic())
    plain_s, took_s = (later - before for before, later in pairwise(times_s))
    assert took_s < 10 + 2 * plain_s


def test_the_job_of_an_admin_is_no_admin() -> None:
    lab = TrackingLab()
    visit = of_job(lab.lab("admin"), RunId("run_aaaaaaaaaaaaaaaa"))
    assert visit.fenced == "run_aaaaaaaaaaaaaaaa"
    assert visit.projects == frozenset({SHARED})
    runs.create(visit, NewRun("0"))
    allowed = {action for action in Action if visit.lab.may(action)}
    assert allowed == {Action.LIST, Action.READ, Action.RUN}
    with pytest.raises(NotAllowed):
        visit.act(Action.ERASE)
    with pytest.raises(NotFound):
        visit.act(Action.LIST, Resource("experiment", "7", "prj_another"))
    lab.close()


def test_a_job_logs_no_more_than_it_may(ward: Shell) -> None:
    settings = ward.home / "cloister-lab/cloister.toml"
    before = settings.read_text()
    settings.write_text(before + "\n[tracking]\njob_mib = 1\n")
    body = """
    run = begin()
    place = run["info"]["artifact_uri"].removeprefix("mlflow-artifacts:")
    def put(name, size):
        caller = http.client.HTTPConnection("127.0.0.1", 5000, timeout=20)
        try:
            path = "/api/2.0/mlflow-artifacts/artifacts" + place + "/" + name
            caller.request("PUT", path, bytes(size))
            answer = caller.getresponse()
            return answer.status, json.loads(answer.read())
        except OSError:
            return 0, {}
    assert put("one", 600_000)[0] == 200
    assert put("one", 100_000)[0] == 200  # in place of the first: it counts all the same
    status, answer = put("two", 600_000)
    if status == 200: reached("a second file")
    other = ask("POST", API + "runs/create", {"experiment_id": "0"})
    if other[0] == 200: reached("another run", other)
    wanted = API + "artifacts/list?run_id=" + run["info"]["run_id"]
    say(status=status, answer=answer, other=other, files=ask("GET", wanted)[1])
    """
    try:
        said = Job(ward, body).said
        for status, answer in ((said["status"], said["answer"]), said["other"]):
            assert status == 507
            assert answer["error_code"] == "RESOURCE_EXHAUSTED"
            assert "1 MiB in all" in answer["message"]
        assert [one["path"] for one in said["files"]["files"]] == ["one"]
        Job(ward, "begin()")  # the next begins anew
        settings.write_text(before + "\n[tracking]\njob_mib = 0\n")
        assert "job_mib" in ward("ls", status=2).stderr
    finally:
        settings.write_text(before)
