"""What a sweep was asked for is read for ever as it was written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from cloister.core.ids import RunId, SweepId
from cloister.jobs.asks import Priority
from cloister.keys.seal import open_field
from cloister.sweeps.history import CHOSEN, Trial
from cloister.workflows.sweeps._plan import Chosen, Plan, open_chosen, seal_chosen
from tests.conftest import ROOT
from tests.workflows.test_queue_requests import REQUEST

GOLDEN = ROOT / "tests/golden/sweep-1.json"
ELSEWHERE = ROOT / "tests/golden/sweep-1-elsewhere.json"
KEY, RUN = bytes(range(32)), RunId("run_" + "a" * 16)
TEMPLATE = replace(
    REQUEST, argv=("${interpreter}", "${program}", "${args}"), cpus=2, priority=Priority.LOW
)
PLAN = Plan("method: random\n", TEMPLATE, "python", "ward", "ward3")
CHOSEN_ONE = Chosen({"lr": 0.25, "n": 1}, {"lr": 5.0, "net": {"n": "b"}, "none": None})
PLACES = ("ssh:ada@box", "ray:head:6379", "local")


def golden(path: Path = GOLDEN) -> dict[str, str]:
    found: dict[str, str] = json.loads(path.read_text())
    return found


def trial(sealed: bytes) -> Trial:
    sweep = SweepId("swp_" + "a" * 16)
    return Trial(sweep, 0, RUN, "running", "", 0, sealed, None, 0, None, "", None)


def test_a_definition_is_written_and_read_as_ever() -> None:
    written = golden()["definition"].encode()
    assert PLAN.pack() == written
    found = Plan.unpack(written)
    template = replace(found.template, environment=TEMPLATE.environment)
    assert replace(found, template=template) == PLAN


def test_what_a_trial_was_given_comes_back_with_its_types() -> None:
    for sealed in (
        bytes.fromhex(golden()["chosen"]),
        seal_chosen(KEY, RUN, CHOSEN_ONE),
    ):
        found = open_chosen(KEY, trial(sealed))
        assert found == CHOSEN_ONE
        assert type(found.values["lr"]) is float
        assert b'"v": 1' in open_field(KEY, CHOSEN, sealed, RUN.encode())


def test_where_trials_run_is_written_and_read_as_ever() -> None:
    written = golden(ELSEWHERE)
    plan = replace(PLAN, on=PLACES)
    assert plan.pack() == written["definition"].encode()
    assert Plan.unpack(plan.pack()).on == PLACES
    one = replace(CHOSEN_ONE, on=PLACES[0])
    for sealed in (bytes.fromhex(written["chosen"]), seal_chosen(KEY, RUN, one)):
        assert open_chosen(KEY, trial(sealed)) == one
