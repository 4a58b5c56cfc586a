"""What an Airflow that drives a pipeline is told, and what a pipeline can make of its DAG."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

import cloister as cl
from cloister.core.errors import BadInput
from cloister.pipelines.airflow import Caller, export
from cloister.pipelines.building import Pipeline
from cloister.pipelines.plan import Plan, describe, parse
from tests.conftest import Shell

HERE = Path(__file__).parent
CALLER = Caller(Path("/lab"), Path("/code"), "/venv/bin/python", "flow.py", ("cloister",))


@cl.task
def one() -> int:
    return 1


def planned(pipeline: Pipeline) -> Plan:
    return parse(describe(pipeline, HERE)[0])


def test_nothing_that_a_pipeline_says_becomes_code() -> None:
    text = 'x"""\nimport os; os.system("id") # \\"; raise SystemExit #'
    with cl.pipeline("p") as p:
        cl.param("a", text, text)
        one()
    tree = ast.parse(export(planned(p), CALLER).text)
    assert [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)].count(
        text
    ) == 2
    assert ast.dump(tree).count("SystemExit") == 2


def test_a_name_that_no_fence_of_ours_gives_is_refused() -> None:
    with cl.pipeline("p") as p:
        one()
    plan = planned(p)
    step = plan.steps[0]
    evil = type(step)(**{f: getattr(step, f) for f in step.__slots__} | {"name": 'a")\nx=("'})
    with pytest.raises(BadInput, match="cannot be the name of a task of Airflow"):
        export(type(plan)(plan.name, (), "latest", (), plan.tasks, (evil,)), CALLER)


def test_what_airflow_hears_is_no_data(lab: Shell) -> None:
    (lab.folder / "code").mkdir()
    (lab.folder / "code/loud.py").write_text(LOUD)
    words = ("pipeline", "step", "loud.py", "fail", "--workdir", "code")
    done = lab("--json", *words, status=1)
    failure = json.loads(done.stdout)["failures"][0]
    assert (failure["step"], failure["why"]) == ("fail", "exit status 1")
    assert "P001" not in done.stdout + done.stderr
    log = lab(*failure["next"].split()[1:]).stdout
    assert "P001 said" in log
    assert "P001 raised" in log
    shown = lab.json("pipeline", "show")["tasks"]
    assert [(one["step"], one["tries"]) for one in shown] == [("fail", 1)]


LOUD = """
import cloister as cl
@cl.task(retries=3, fence="fresh")
def fail():
    print("P001 said")
    raise ValueError("P001 raised")
with cl.pipeline("loud"):
    fail()
"""


def test_a_dag_that_no_longer_fits_is_refused(lab: Shell) -> None:
    (lab.folder / "code").mkdir()
    (lab.folder / "code/grow.py").write_text(GROW)
    said = lab.json("export", "airflow", "grow.py", "--workdir", "code")
    text = (lab.folder / said["file"]).read_text()
    shape = re.findall(r'^SHAPE = "(\w+)"$', text, re.M)[0]
    words = ("pipeline", "step", "grow.py", "one", "--workdir", "code", "--shape", shape)
    assert lab.json(*words)["state"] == "done"
    before = len(lab.json("pipeline", "ls"))
    failed = lab(*words, "-p", "count=2", status=2)
    assert "the steps of grow are not those that were exported" in failed.stderr
    assert len(lab.json("pipeline", "ls")) == before


GROW = """
import cloister as cl
@cl.task
def one(i): return i
with cl.pipeline("grow"):
    for i in range(cl.param("count", 1)):
        one(i)
"""
