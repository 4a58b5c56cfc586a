"""Every executor keeps the same promises."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloister import fence
from cloister.core.errors import BadInput
from cloister.core.values import FenceLevel
from cloister.fence import FenceSpec
from cloister.pipelines.executor import Executor
from cloister.pipelines.here import Processes, run_plan
from cloister.pipelines.inside.loading import load
from cloister.pipelines.plan import parse
from cloister.runs import code
from cloister.testing.executor import MemoryExecutor
from cloister.testing.executor_suite import FLOW, ExecutorSuite, ProcessSuite
from cloister.workflows.far.ssh import Address, SshLine
from cloister.workflows.far.worker import Fenced
from cloister.workflows.pipelines._far import Far, Opening
from tests.recovery.second_box import SecondBox

BIG = """
import cloister as cl
@cl.task
def numbers(): return list(range(5))
@cl.task
def double(x): return 2 * x
@cl.task
def total(xs, plus): return sum(xs) + plus
with cl.pipeline("big"):
    total(double.map(numbers()), cl.param("plus", 1))
"""


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    path = tmp_path / "suiteflow.py"
    path.write_text(FLOW)
    return path


def fenced(folder: Path) -> Fenced:
    variables = fence.job_environment(os.environ, {})
    argv = (sys.executable, "-m", "cloister.pipelines.inside")
    reads = fence.interpreter_paths(argv[0], variables["PATH"], folder)
    return Fenced(FenceSpec(argv, folder, variables, reads=reads), 2)


class TestMemory(ExecutorSuite):
    @pytest.fixture
    def executor(self, flow: Path, monkeypatch: pytest.MonkeyPatch) -> Executor:
        monkeypatch.chdir(flow.parent)
        sys.modules.pop("suiteflow", None)
        return MemoryExecutor(load(flow.name, None, {}).tasks)


class TestProcesses(ProcessSuite):
    @pytest.fixture
    def executor(self, flow: Path) -> Iterator[Executor]:
        made = Processes(flow, None, {}, 2)
        yield made
        made.close()


class TestFenced(ProcessSuite):
    @pytest.fixture
    def executor(self, flow: Path) -> Iterator[Executor]:
        made = fenced(flow.parent)
        made.plan(flow.name, None, {})
        yield made
        made.close()


@pytest.mark.xdist_group("far")
class TestSsh(ProcessSuite):
    @pytest.fixture
    def executor(
        self, box: SecondBox, flow: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[Executor]:
        monkeypatch.setenv("PATH", box.search_path)
        made = Far.reach(SshLine(Address.parse("ssh:second")), 2, threading.Event())
        variables = fence.job_environment(os.environ, {})
        archive = code.capture(flow.parent).archive
        made.open(Opening(archive, os.fsencode(flow.parent), variables, FenceLevel.FULL))
        made.plan(flow.name, None, {})
        yield made
        made.close()


def test_a_fence_that_ends_loses_all_its_calls(flow: Path) -> None:
    from cloister.pipelines.executor import Call
    from cloister.pipelines.values import encode

    made = fenced(flow.parent)
    made.plan(flow.name, None, {})
    made.submit(Call(1, 5, encode({})))
    made.close()
    assert [(one.number, one.error) for one in made.poll(1)] == [(1, "lost")]


def test_a_pipeline_runs_without_a_lab_and_takes_no_dataset(tmp_path: Path) -> None:
    file = tmp_path / "bigflow.py"
    file.write_text(BIG)
    executor = Processes(file, "big", {"plus": "5"}, 2)
    try:
        assert run_plan(executor.plan, executor)["total"] == 25
    finally:
        executor.close()
    file.write_text(BIG.replace("double.map(numbers())", '[double(cl.dataset("scans"))]'))
    executor = Processes(file, "big", {}, 1)
    try:
        with pytest.raises(BadInput, match="takes a dataset or an asset: run it in a lab"):
            run_plan(executor.plan, executor)
    finally:
        executor.close()


def test_what_a_worker_gives_for_a_plan_is_parsed_and_not_believed(flow: Path) -> None:
    made = fenced(flow.parent)
    try:
        packed = made.plan(flow.name, None, {})
        assert parse(packed).name == "suite"
        with pytest.raises(BadInput):
            parse(packed[:-1])
    finally:
        made.close()
