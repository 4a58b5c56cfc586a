"""Runs over the interface of the console: a real one, what it tracked and what it left."""

from __future__ import annotations

import base64
import json
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.conftest import new_lab
from tests.web.people.browser import Browser, Person, application, desk_of, joined
from tests.workflows.people.conftest import Team, opened_team

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
JOB = f"""
import base64, http.client, json, pathlib
def ask(method, path, body):
    caller = http.client.HTTPConnection("127.0.0.1", 5000)
    caller.request(method, "/api/2.0/" + path, body)
    answer = caller.getresponse()
    told = answer.read()
    assert answer.status == 200, told
    return json.loads(told or b"{{}}")
def post(path, **fields): return ask("POST", "mlflow/" + path, json.dumps(fields))
run = post("runs/create", experiment_id="0", run_name="a job", start_time=1000)["run"]["info"]
metrics = [{{"key": "loss", "value": 1 / (n + 1), "timestamp": 2000 + n, "step": n}}
           for n in range(50)]
post("runs/log-batch", run_id=run["run_id"], metrics=metrics,
     params=[{{"key": "rate", "value": "0.1"}}], tags=[])
where = "mlflow-artifacts/artifacts/" + run["artifact_uri"].removeprefix("mlflow-artifacts:/")
ask("PUT", where + "/plots/dot.png", base64.b64decode("{base64.b64encode(PNG).decode()}"))
ask("PUT", where + "/table.csv", b"name,count\\n<script>alert(1)</script>,2\\n")
post("runs/update", run_id=run["run_id"], status="FINISHED", end_time=3000)
pathlib.Path("page.html").write_text("<script>alert(1)</script>")
print("trained", len(list(pathlib.Path("scans").rglob("*.txt"))))
"""


@dataclass
class Console:
    """A lab with one run, and members who look at it."""

    team: Team
    people: dict[str, Person]
    run: str

    def get(self, who: str, path: str, **fields: Any) -> Any:
        answer = self.people[who].browser.client.get(f"/api/1{path}", params=fields)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def browser(self, who: str) -> Browser:
        return self.people[who].browser


@pytest.fixture(scope="module")
def console() -> Iterator[Console]:
    from tests.conftest import write_scans

    with new_lab() as shell:
        write_scans(shell.folder / "scans", 3, 2)
        shell("add", "scans", "--subject-pattern", "^(P[0-9]+)/")
        (shell.folder / "train.py").write_text(JOB)
        run = shell.json("run", "--", "python3", "train.py", "scans")["run"]
        with opened_team(shell) as team:
            app = application(desk_of(team))
            roles = ("engineer", "auditor", "annotator")
            people = {role: joined(team, app, f"the {role}", role) for role in roles}
            yield Console(team, people, run)


def test_the_table_shows_the_run_once_with_what_it_read_and_logged(console: Console) -> None:
    told = console.get("auditor", "/runs", column=["metrics.loss", "params.rate"])
    (row,) = [one for one in told["items"] if one["fenced"] == console.run]
    assert (told["total"], told["next"]) == (len(told["items"]), None)
    assert row["data"] == ["data1@1"]
    assert (row["name"], row["state"], row["fence"]) == ("a job", "finished", "full")
    assert row["values"] == {"metrics.loss": 0.02, "params.rate": "0.1"}


def test_the_page_shows_both_sides_and_the_command_to_whoever_may_read(
    console: Console,
) -> None:
    told = console.get("engineer", f"/runs/{console.run}")
    fenced, (tracked,) = told["fenced"], told["tracked"]
    assert fenced["start"]["command"] == "python3 train.py scans"
    assert fenced["inputs"][0]["name"] == "data1@1"
    assert fenced["inputs"][0]["subjects"] == 3
    assert fenced["fence"]["level"] == "full"
    assert tracked["params"] == [{"name": "rate", "value": "0.1"}]
    assert tracked["metrics"] == 1
    by_tracked = console.get("engineer", f"/runs/{tracked['run']}")
    assert by_tracked["fenced"]["run"] == console.run
    hidden = console.get("auditor", f"/runs/{console.run}")
    assert hidden["fenced"]["start"] is None
    assert "train.py" not in json.dumps(hidden)


def test_metrics_are_searched_and_drawn(console: Console) -> None:
    (tracked,) = console.get("auditor", f"/runs/{console.run}")["tracked"]
    told = console.get("auditor", f"/runs/{tracked['run']}/metrics", filter="LO")
    assert [one["metric"] for one in told["items"]] == ["loss"]
    asked = {"run": tracked["run"], "metric": "loss"}
    (curve,) = console.get("auditor", "/curves", **asked)["items"]
    assert (curve["total"], curve["steps"]) == (50, list(range(50)))
    (more,) = console.get("auditor", "/curves", since_ms=2047, **asked)["items"]
    assert (more["whole"], more["steps"]) == (False, [48, 49])


def files_of(console: Console, who: str) -> dict[str, Any]:
    told = console.get(who, f"/runs/{console.run}/files")
    return {one["path"] or one["kind"]: one for one in told["items"]}


def test_files_are_shown_so_that_nothing_in_them_runs(console: Console) -> None:
    files = files_of(console, "engineer")
    assert {"page.html", "plots/dot.png", "table.csv"} <= files.keys()
    kinds = {"page.html": "text/plain", "table.csv": "text/plain", "plots/dot.png": "image/png"}
    for path, kind in kinds.items():
        answer = console.browser("engineer").client.get(
            f"/api/1/runs/{console.run}/file", params={"ref": files[path]["ref"]}
        )
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith(kind)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "sandbox" in policy
        assert answer.content == PNG or b"<script>" in answer.content
    short = console.browser("engineer").client.get(
        f"/api/1/runs/{console.run}/file",
        params={"ref": files["table.csv"]["ref"], "most": 4},
    )
    assert short.text == "name"


def test_an_auditor_sees_that_there_are_files_and_neither_names_nor_bytes(
    console: Console,
) -> None:
    seen = console.get("auditor", f"/runs/{console.run}/files")["items"]
    assert {one["path"] for one in seen if one["kind"] == "output"} == {None}
    for one in seen:
        for path in ("file", "file/whole"):
            answer = console.browser("auditor").client.get(
                f"/api/1/runs/{console.run}/{path}", params={"ref": one["ref"]}
            )
            assert answer.status_code == 403, answer.text


def test_a_whole_file_leaves_only_with_somebody_who_shows_who_they_are(
    console: Console,
) -> None:
    from datetime import timedelta

    ref = files_of(console, "engineer")["page.html"]["ref"]
    where = f"/api/1/runs/{console.run}/file/whole"
    client = console.browser("engineer").client
    console.team.clock.advance(timedelta(hours=1))
    answer = client.get(where, params={"ref": ref})
    assert answer.status_code == 403
    assert answer.json()["error"]["prove"]
    console.people["engineer"].prove()
    answer = client.get(where, params={"ref": ref})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.content == b"<script>alert(1)</script>"


def test_a_file_of_no_run_is_not_found(console: Console) -> None:
    for ref in ("output-1", "output-x", f"artifact-{'0' * 32}/table.csv", "nonsense", "log"):
        answer = console.browser("engineer").client.get(
            f"/api/1/runs/{console.run}/file", params={"ref": ref}
        )
        assert answer.status_code == 404, ref


def test_the_log_is_read_from_its_end_or_from_a_place(console: Console) -> None:
    told = console.get("engineer", f"/runs/{console.run}/log")
    assert told["text"].endswith("trained 6\n")
    assert (told["done"], told["end"]) == (True, told["size_bytes"])
    part = console.get("engineer", f"/runs/{console.run}/log", **{"from": 8, "most": 1})
    assert (part["text"], part["start"], part["end"]) == ("6", 8, 9)


def test_two_who_write_at_once_both_keep_their_words(console: Console) -> None:
    where = f"/runs/{console.run}/remarks"

    def write(who: str, text: str, over: int | None) -> Any:
        return console.browser(who).call("POST", where, text=text, over=over)

    first = write("engineer", "ward 3, P-17: seems fine", None)
    assert first.status_code == 200, first.text
    place = first.json()["place"]
    mine, theirs = write("engineer", "mine", place), write("annotator", "theirs", place)
    assert (mine.status_code, theirs.status_code) == (200, 409)
    assert "since you began" in theirs.json()["error"]["message"]
    items = console.get("annotator", where)["items"]
    assert [one["text"] for one in items] == ["ward 3, P-17: seems fine", "mine"]
    again = write("annotator", "mine, theirs", items[-1]["place"])
    assert again.status_code == 200
    assert write("auditor", "no", again.json()["place"]).status_code == 403
    rows = console.team.shell.sql("SELECT leaf FROM ledger_leaf")
    assert not any(b"ward 3" in bytes(row[0]) for row in rows)
    assert console.team.whole()


def test_a_view_is_saved_shown_and_removed(console: Console) -> None:
    browser = console.browser("engineer")
    saved = browser.call("PUT", "/runs-views", name="best", order="metrics.loss ASC")
    assert saved.status_code == 204, saved.text
    (view,) = console.get("engineer", "/runs-views")["items"]
    assert (view["name"], view["order"], view["columns"]) == ("best", "metrics.loss ASC", [])
    assert console.get("auditor", "/runs-views")["items"] == []
    answer = browser.client.delete(
        "/api/1/runs-views",
        params={"name": "best"},
        headers={"origin": "https://localhost:8443"},
    )
    assert answer.status_code == 204, answer.text


def test_two_runs_are_held_against_each_other(console: Console) -> None:
    shell = console.team.shell
    (shell.folder / "train.py").write_text(JOB.replace('"0.1"', '"0.2"') + "print('more')\n")
    other = shell.json("run", "--", "python3", "train.py", "scans")["run"]
    told = console.get("engineer", "/difference", first=console.run, second=other)
    assert (told["data"], told["command"]) == ([], [])
    (file,) = told["code"]
    assert (file["path"], file["kind"], file["cut"]) == ("train.py", "changed", False)
    assert "+print('more')" in file["lines"]
    assert [(one["path"], one["same"]) for one in told["outputs"]] == [("page.html", True)]
    same = console.get("engineer", "/difference", first=console.run, second=console.run)
    assert same["code"] == same["settings"] == []


def test_a_running_job_is_heard_while_it_runs(console: Console) -> None:
    shell = console.team.shell
    (shell.folder / "slow.py").write_text(
        "import pathlib, time\nprint('begun', flush=True)\nwhile True: time.sleep(0.1)\n"
    )
    process = shell.start("run", "--", "python3", "slow.py")
    try:
        text = ""
        for _ in range(1200):
            rows = console.get("auditor", "/runs", filter="attributes.status = 'RUNNING'")
            if rows["items"]:
                run = rows["items"][0]["fenced"]
                told = console.get("engineer", f"/runs/{run}/log")
                text = told["text"]
                assert told["done"] is False
                if text:
                    break
            time.sleep(0.1)
        assert text == "begun\n"
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
