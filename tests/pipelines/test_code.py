"""What counts as the code of a task, and what does not."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path

import pytest

from cloister.core.errors import BadInput
from cloister.pipelines.code import Digester
from cloister.pipelines.inside.loading import load
from cloister.pipelines.plan import parse

_names = itertools.count()
FILE = '''
import re
import functools
import logging
import math
import cloister as cl
import {helper}

LIMIT = 3
PATTERN = re.compile("a+")
TABLE = {{"a": {helper}.inner, "b": [1, {{2, 3}}]}}
log = logging.getLogger("x")

class Model:
    """A model."""
    depth = 2
    def fit(self, x):
        return x + self.depth

def helper(x):
    """Documented."""
    return deeper(x) + LIMIT

def deeper(x):
    return math.sqrt(x) + {helper}.inner(x)

def unrelated():
    return 1

@functools.lru_cache
def kept(x):
    return x

@cl.task
def work(x):
    log.info("working")
    return helper(x), Model().fit(x), PATTERN.match("a"), TABLE, kept(x), [y for y in (1, 2)]

with cl.pipeline("p"):
    work(1)
'''
HELPER = "def inner(x):\n    return x\n\ndef other(x):\n    return x\n"


def digest(folder: Path, monkeypatch: pytest.MonkeyPatch, file: str, helper: str) -> str:
    """Of the task, in a file and with a helper module that no other test has seen."""
    number = next(_names)
    place = folder / f"case{number}"
    place.mkdir()
    (place / "helpermod.py").write_text(helper)
    (place / "flowmod.py").write_text(file.format(helper="helpermod"))
    monkeypatch.chdir(place)
    monkeypatch.syspath_prepend(str(place))
    for name in ("helpermod", "flowmod"):
        sys.modules.pop(name, None)
    loaded = load("flowmod.py", None, {})
    return Digester(place).of(loaded.tasks[0].function)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("return math.sqrt(x)", "return math.floor(x)"),
        ("LIMIT = 3", "LIMIT = 4"),
        ('re.compile("a+")', 're.compile("b+")'),
        ("depth = 2", "depth = 5"),
        ("return x + self.depth", "return x - self.depth"),
        ("{{2, 3}}", "{{2, 4}}"),
        ("def kept(x):\n    return x", "def kept(x):\n    return -x"),
        ("for y in (1, 2)", "for y in (1, 3)"),
        ("def work(x):", "def work(x, y=2):"),
    ],
)
def test_what_the_task_reaches_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str
) -> None:
    assert old in FILE
    before = digest(tmp_path, monkeypatch, FILE, HELPER)
    assert digest(tmp_path, monkeypatch, FILE.replace(old, new), HELPER) != before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("def unrelated():\n    return 1", "def unrelated():\n    return 2"),
        ("LIMIT = 3", "LIMIT = 3  # of them\n\n"),
        ("def deeper(x):", "# deep\ndef deeper(x):"),
    ],
)
def test_what_it_does_not_reach_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str
) -> None:
    before = digest(tmp_path, monkeypatch, FILE, HELPER)
    assert digest(tmp_path, monkeypatch, FILE.replace(old, new), HELPER) == before


def test_of_a_module_of_the_project_what_is_taken_from_it_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = digest(tmp_path, monkeypatch, FILE, HELPER)
    other = HELPER.replace("def other(x):\n    return x", "def other(x):\n    return 2")
    assert digest(tmp_path, monkeypatch, FILE, other) == before
    inner = HELPER.replace("def inner(x):\n    return x", "def inner(x):\n    return 2")
    assert digest(tmp_path, monkeypatch, FILE, inner) != before


def test_a_module_imported_in_the_body_counts_with_all_of_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = FILE.replace("    log.info", "    import helpermod as h; h.inner(1)\n    log.info")
    before = digest(tmp_path, monkeypatch, file, HELPER)
    assert digest(tmp_path, monkeypatch, file, HELPER + "\nX = 1\n") != before


def test_a_global_that_is_neither_code_nor_a_value_is_an_error_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = FILE.replace("LIMIT = 3", "LIMIT = object()")
    with pytest.raises(BadInput) as caught:
        digest(tmp_path, monkeypatch, file, HELPER)
    assert "the global 'LIMIT' is a object" in caught.value.message
    assert caught.value.message.startswith("flowmod.py:")


def test_the_digest_is_the_same_in_every_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = digest(tmp_path, monkeypatch, FILE, HELPER)
    assert digest(tmp_path, monkeypatch, FILE, HELPER) == first


def test_a_part_of_an_installed_package_is_not_imported_to_be_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site-packages/heavypackage"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('imported')\n")
    (package / "part.py").touch()
    monkeypatch.syspath_prepend(str(package.parent))
    file = FILE.replace('    log.info("working")', "    from heavypackage.part import one")
    assert digest(tmp_path, monkeypatch, file, HELPER) != digest(
        tmp_path, monkeypatch, FILE, HELPER
    )


TRACKS = """
import json
import mlflow as renamed
from mlflow.tracking import log_metric, Logger
import cloister as cl

ADDRESS = {"at": "http://localhost:5000/api/2.0/mlflow"}

def deeper(): log_metric("x", 1)

class Loop:
    def fit(self): deeper()

class Mine(Logger):
    pass

@cl.task
def inside():
    import mlflow

@cl.task
def named(): Loop().fit()

@cl.task
def other(): renamed.start_run()

@cl.task
def base(): return Mine()

@cl.task
def asked(): return json.dumps(ADDRESS)

@cl.task
def told(report_to="mlflow"): return report_to

@cl.task
def quiet(): return 1  # says mlflow to whoever reads it

@cl.task(on="gpu1")
def elsewhere():
    import mlflow

@cl.task(on="local")
def here():
    import mlflow

with cl.pipeline("p"):
    inside(), named(), other(), base(), asked(), told(), quiet(), elsewhere(), here()
    cl.shell("python train.py --to mlflow", name="said")()
    cl.shell("python train.py", name="unsaid")()
    cl.notebook("look.ipynb")()
"""


def test_a_task_that_says_mlflow_has_a_fence_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracking, code = tmp_path / "site-packages/mlflow/tracking.py", tmp_path / "code"
    tracking.parent.mkdir(parents=True)
    code.mkdir()
    (tracking.parent / "__init__.py").write_text("def start_run(): pass\n")
    tracking.write_text("class Logger: pass\n\ndef log_metric(name, value): pass\n")
    cell = {"cell_type": "code", "metadata": {}, "source": ["import mlflow\n"]}
    (code / "look.ipynb").write_text(json.dumps({"cells": [cell]}))
    (code / "flow.py").write_text(TRACKS)
    monkeypatch.chdir(code)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site-packages"), *sys.path])
    for name in ("mlflow", "mlflow.tracking"):  # of whichever there is, none is left behind
        monkeypatch.setitem(sys.modules, name, sys)
        del sys.modules[name]
    plan = parse(load(str(code / "flow.py"), None, {}).plan)
    own = {step.name for step in plan.steps if plan.fences_own(step.number)}
    shared = {step.name for step in plan.steps} - own
    assert shared == {"quiet", "unsaid"}
