"""Assets link pipelines: what was made new starts, and feeds, what waits for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import Shell, new_lab, write_scans

RECIPE = """
import cloister as cl

@cl.task(outlets="model:table")
def clean(scans):
    return sorted(p.read_text() for p in scans.rglob("*.txt"))[:{most}]

@cl.task
def other(scans): return 0

with cl.pipeline("upstream"):
    clean(cl.dataset("data1"))
    other(cl.dataset("data1"))
"""
BELOW = """
import cloister as cl

@cl.task
def constant(): return 7

@cl.task(outlets=["model:size"])
def size(table, plus): return len(table) + plus

@cl.task
def report(of): return f"size {of}"

@cl.task
def page(of): return f"page of {of}"

with cl.pipeline("middle", on=cl.asset("model:table")):
    report(size(cl.made("model:table"), constant()))

with cl.pipeline("last", on=cl.asset("model:size")):
    page(cl.made("model:size"))

with cl.pipeline("apart", on=cl.asset("model:apart")):
    constant()

with cl.pipeline("early"):
    page(cl.made("model:nothing"))

with cl.pipeline("site", on=cl.asset("bucket:data1/site-a/")):
    constant()
"""
ONLINE = '''
import csv, json, os, urllib.request
import cloister as cl

def door(path, **body):
    address = f"{os.environ['MLFLOW_TRACKING_URI']}/api/2.0/mlflow/{path}"
    asked = urllib.request.Request(address, json.dumps(body).encode(),
                                   {"Content-Type": "application/json"})
    with urllib.request.urlopen(asked) as answer:
        return json.load(answer)

@cl.task
def train(scans, labels):
    """The newest model is the candidate; it says what its one labelled scan has."""
    with labels.open() as file:
        table = list(csv.DictReader(file))
    learned = [row["finding"] for row in table if (scans / row["path"]).is_file()]
    run = door("runs/create", experiment_id="0")["run"]["info"]["run_id"]
    try:
        door("registered-models/create", name="ward")
    except urllib.error.HTTPError:
        pass  # it is there
    version = door("model-versions/create", name="ward", source=f"runs:/{run}/model")
    number = version["model_version"]["version"]
    door("registered-models/alias", name="ward", alias="candidate", version=number)
    return f"{number} {learned}"

@cl.task
def judge(): return "judged"

with cl.pipeline("online", on=cl.asset("dataset:data1")):
    train(cl.dataset("data1"), cl.labels_of("data1"))

with cl.pipeline("judging", on=cl.asset("model:ward@candidate")):
    judge()
'''


@pytest.fixture(scope="module")
def lab() -> Iterator[Shell]:
    with new_lab() as shell:
        write_scans(shell.folder / "scans")
        add(shell)
        (shell.folder / "code").mkdir()
        write(shell, "above.py", RECIPE.format(most=9))
        write(shell, "below.py", BELOW)
        write(shell, "online.py", ONLINE)
        yield shell


def add(shell: Shell) -> None:
    shell("add", "scans", "--subject-pattern", "(P[0-9]+)/", "--name", "data1")


def write(shell: Shell, name: str, text: str) -> None:
    (shell.folder / "code" / name).write_text(text)


def schedule(shell: Shell, *targets: str) -> None:
    for one in targets:
        shell("pipeline", "schedule", one, "--workdir", "code")


def run(shell: Shell, target: str, **options: Any) -> dict[str, Any]:
    words = ("pipeline", "run", target, "--workdir", "code")
    found: dict[str, Any] = shell.json(*words, **options)
    return found


def tended(shell: Shell) -> list[str]:
    return [one["pipeline"] for one in shell.json("pipeline", "tend", "--once")]


def rows(shell: Shell, pipeline: str) -> dict[str, dict[str, Any]]:
    return {one["step"]: one for one in shell.json("pipeline", "show", pipeline)["tasks"]}


def candidate(shell: Shell) -> str:
    run = rows(shell, "online")["train"]["run"]
    return str(shell("get", run, ".cloister/value").stdout[1:])


def states(shell: Shell, pipeline: str) -> dict[str, str]:
    return {step: one["state"] for step, one in rows(shell, pipeline).items()}


def test_a_corrected_recipe_corrects_all_below_it_and_nothing_else(lab: Shell) -> None:
    schedule(lab, "below.py:middle", "below.py:last", "below.py:apart")
    run(lab, "above.py")
    assert [tended(lab) for _ in range(2)] == [["middle"], ["last"]]
    assert lab("get", rows(lab, "last")["page"]["run"], ".cloister/value").stdout[1:] == (
        "page of 16"
    )
    first = rows(lab, "last")["page"]["run"]

    write(lab, "above.py", RECIPE.format(most=5))
    corrected = run(lab, "above.py")
    assert (corrected["made"], corrected["reused"]) == (1, 1)
    assert [tended(lab) for _ in range(2)] == [["middle"], ["last"]]
    assert states(lab, "middle") == {
        "model.table": "reused", "constant": "reused", "size": "done", "report": "done"
    }  # fmt: skip
    page = rows(lab, "last")["page"]["run"]
    assert lab("get", page, ".cloister/value").stdout[1:] == "page of 12"
    traced = {one["run"] for one in lab.json("trace", "P001")["runs"]}
    assert page in traced  # through two pipelines, none of which was given the data

    # Back to what it was: nothing is made again, and yet what stands below is corrected.
    write(lab, "above.py", RECIPE.format(most=9))
    assert run(lab, "above.py")["made"] == 0
    assert [tended(lab) for _ in range(2)] == [["middle"], ["last"]]
    assert rows(lab, "last")["page"]["run"] == first
    lab("audit")


def test_what_nobody_has_made_is_an_error_of_the_step_that_takes_it(lab: Shell) -> None:
    found = run(lab, "below.py:early", status=1)
    assert found["failures"] == [
        {"run": None, "step": "model.nothing", "why": "nothing has made model:nothing yet"}
    ]
    assert found["blocked"] == 1


def test_new_labels_train_a_candidate_and_that_starts_what_judges_it(lab: Shell) -> None:
    schedule(lab, "online.py:online", "online.py:judging")
    assert tended(lab) == []
    (lab.folder / "labels.csv").write_text("path,finding\nP000/0.txt,sick\n")
    lab("relabel", "data1", "--labels", "labels.csv")
    assert [tended(lab) for _ in range(2)] == [["online"], ["judging"]]
    assert candidate(lab) == "1 ['sick']"
    (lab.folder / "labels.csv").write_text("path,finding\nP000/0.txt,well\n")
    lab("relabel", "data1", "--labels", "labels.csv")
    assert tended(lab) == ["online"]
    assert candidate(lab) == "2 ['well']"
    newest = lab.sql("SELECT MAX(number) FROM version WHERE dataset = 'data1'")
    run = rows(lab, "online")["train"]["run"]
    assert lab.sql(f"SELECT number FROM run_input WHERE run = '{run}'") == newest
    for name in ("online", "judging"):
        lab("pipeline", "unschedule", name)


def test_a_bucket_starts_what_waits_for_its_prefix_and_for_no_other(lab: Shell) -> None:
    schedule(lab, "below.py:site")
    for site, starts in (("site-b", []), ("site-a", ["site"]), ("site-b", [])):
        place = lab.folder / "scans" / site / "P100"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{len(list(place.iterdir()))}.txt").write_text(f"of {site} {place}\n")
        add(lab)
        assert tended(lab) == starts
    lab("audit")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('cl.pipeline("p", on=cl.asset("data1"))', "'data1' is no asset"),
        ('cl.made("bucket:data1")', "'bucket:data1' is no asset"),
        ('cl.shell("ls", name="x", outlets="modle:x")', "outlets: 'modle:x' is no asset"),
        ('cl.made("model:x")', "this stands outside of a pipeline"),
    ],
)
def test_what_is_no_asset_is_said_with_its_line(lab: Shell, text: str, said: str) -> None:
    write(lab, "bad.py", f"import cloister as cl\n{text}\n")
    failed = lab("pipeline", "run", "bad.py", "--workdir", "code", status=2)
    assert f"bad.py:2: {said}" in failed.stderr
