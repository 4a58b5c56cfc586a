"""What a sweep was asked for is read for ever as it was written."""

from __future__ import annotations

import json
from dataclasses import replace

from cloister.core.ids import RunId, SweepId
from cloister.jobs.asks import Priority
from cloister.keys.seal import open_field
from cloister.sweeps.history import CHOSEN, Trial
from cloister.workflows.sweeps._plan import Chosen, Plan, open_chosen, seal_chosen
from tests.conftest import ROOT
from tests.workflows.test_queue_requests import REQUEST

GOLDEN = ROOT / "tests/golden/sweep-1.json"
KEY, RUN = bytes(range(32)), RunId("run_" + "a" * 16)
TEMPLATE = replace(
    REQUEST, argv=("${interpreter}", "${program}", "${args}"), cpus=2, priority=Priority.LOW
)
PLAN = Plan("method: random\n", TEMPLATE, "python", "ward", "ward3")
CHOSEN_ONE = Chosen({"lr": 0.25, "n": 1}, {"lr": 5.0, "net": {"n": "b"}, "none": None})


def golden() -> dict[str, str]:
    found: dict[str, str] = json.loads(GOLDEN.read_text())
    return found


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
        trial = Trial(
            SweepId("swp_" + "a" * 16),
            0,
            RUN,
            "running",
            "",
            0,
            sealed,
            None,
            0,
            None,
            "",
            None,
        )
        found = open_chosen(KEY, trial)
        assert found == CHOSEN_ONE
        assert type(found.values["lr"]) is float
        assert b'"v": 1' in open_field(KEY, CHOSEN, sealed, RUN.encode())
