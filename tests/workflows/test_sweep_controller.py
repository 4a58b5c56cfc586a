"""What the controller of a sweep does besides its trials, which here are over at once."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

import pytest

from cloister.app import config as configuration
from cloister.app.platform import opened
from cloister.core.ids import RunId
from cloister.policy import Action
from cloister.sweeps import history
from cloister.workflows.lab import Lab
from cloister.workflows.leases.ending import end
from cloister.workflows.runs.run import RunRequest
from cloister.workflows.sweeps.run import Doing, SweepRequest, resume_sweep, run_sweep
from tests.conftest import Shell, new_lab

FILE = """
program: train.py
method: random
run_cap: 80
parameters: {rate: {min: 0.1, max: 1.0}}
"""


@pytest.fixture(scope="module")
def shell() -> Iterator[Shell]:
    with new_lab() as made:
        (made.folder / "train.py").write_text("")
        yield made


@pytest.fixture
def lab(shell: Shell) -> Iterator[Lab]:
    """The lab, open in this process."""
    around = configuration.Surroundings(shell.environment, os.getuid(), shell.home)
    config = configuration.load(around, shell.home / "cloister-lab")
    with opened(config, os.getuid()) as found:
        yield found.lab


def doing(lab: Lab, count: int | None = None) -> Doing:
    def start(run: RunId, _: int) -> None:
        end(lab.act(Action.RUN), run, "finished", 0)

    return Doing(2, start, lambda _: None, count)


def test_keys_of_many_trials_are_made_together(shell: Shell, lab: Lab) -> None:
    template = RunRequest((), shell.folder, shell.environment, cpus=1)
    request = SweepRequest(FILE, template, "python", "many")
    before = len(lab.keys.journal(0, 10_000))
    first = run_sweep(lab, request, doing(lab, 30), lambda _: None)
    report = resume_sweep(lab, first.sweep, doing(lab))
    assert (first.state, report.state, report.counts) == (
        "stopped",
        "finished",
        {"finished": 80},
    )
    trials = lab.read(lambda tx: history.trials(tx, report.sweep))
    assert [one.number for one in trials] == list(range(80))
    assert len({one.run for one in trials}) == 80

    asked = lab.keys.journal(0, 10_000)[before:]
    made = [one.count for one in asked if one.verb == "new-owners"]
    assert 80 <= sum(made) <= 90  # one for eight is not taken, at most
    assert len(made) < 35  # two trials begin at a time
    assert Counter(one.verb for one in asked)["recognise"] < 20  # a run's id is nobody's
