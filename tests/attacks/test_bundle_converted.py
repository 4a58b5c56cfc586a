"""Claim: what a bundle says of a conversion, its original and pretrained models is one story.

The lab holds its keys and lies: in its statement, or in its ledger.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from cloister.core.values import Closure, FenceLevel, HubModel, Origin
from tests.proof.small_conversion import HUB, PICKLE, SmallConversion
from tests.proof.small_lab import SmallLab
from tests.proof.verifying import Delivered, deliver

ZEROS = "0" * 64
OTHER = "run_aaaaaaaaaaaaaaaa"


def refusal(delivered: Delivered) -> str:
    verdict = delivered.judge()
    assert verdict.refused, f"{verdict.status}: {verdict.reason}"
    return verdict.reason


def test_an_honest_one_is_verified_and_says_what_was_compared(tmp_path: Path) -> None:
    lab = SmallConversion()
    verdict = deliver(tmp_path, lab).judge()
    assert verdict.verified, verdict.reason
    said = json.dumps(verdict.attested)
    for words in ("20 rows, held out", "1.000e-06", "apache-2.0", "bert-base", lab.first):
        assert words in said


def origin(**changes: Any) -> Callable[[Closure], Closure]:
    def change(closure: Closure) -> Closure:
        assert closure.origin is not None
        return replace(closure, origin=replace(closure.origin, **changes))

    return change


def parity(**changes: Any) -> Callable[[Closure], Closure]:
    def change(closure: Closure) -> Closure:
        assert closure.origin is not None
        better = replace(closure.origin.parity, **changes)
        return replace(closure, origin=replace(closure.origin, parity=better))

    return change


MISSTATEMENTS: dict[str, Callable[[Closure], Closure]] = {
    "another origin": origin(run=OTHER),
    "another original": origin(output=ZEROS),
    "other code": origin(code=ZEROS),
    "another environment": origin(environment=ZEROS),
    "another command": origin(command_commitment=ZEROS),
    "other settings": origin(settings={}),
    "another start": origin(started="2020-01-01T00:00:00.000000Z"),
    "another fence": lambda c: origin(fence=replace(_origin(c).fence, level=FenceLevel.NONE))(
        c
    ),
    "another converter": origin(converter="by hand"),
    "nearer": parity(max_rel="0.000e+00"),
    "made-up rows called held out": parity(held_out=False),
    "no number": parity(max_abs="small"),
    "no conversion": lambda c: replace(c, origin=None),
    "no pretrained model": lambda c: replace(c, hub=()),
    "another licence": lambda c: replace(c, hub=(replace(HUB, license="mit"),)),
    "another pretrained model": lambda c: replace(c, hub=(HubModel("x", ZEROS, "mit"),)),
}


def _origin(closure: Closure) -> Origin:
    assert closure.origin is not None
    return closure.origin


@pytest.mark.parametrize("restate", MISSTATEMENTS.values(), ids=MISSTATEMENTS.keys())
def test_a_statement_that_the_ledger_contradicts_is_refused(
    tmp_path: Path, restate: Callable[[Closure], Closure]
) -> None:
    assert refusal(deliver(tmp_path, SmallConversion(restate=restate)))


LIES = [
    ("model.exported", "run", OTHER),
    ("model.exported", "origin", OTHER),
    ("model.exported", "commitment", ZEROS),
    ("model.exported", "source", 0),
    ("model.exported", "converter", "by hand"),
    ("model.exported", "parity", {}),
    ("hub.given", "run", OTHER),
    ("hub.given", "models", []),
]


@pytest.mark.parametrize(("kind", "name", "value"), LIES, ids=[f"{k}-{n}" for k, n, _ in LIES])
def test_a_ledger_that_the_statement_contradicts_is_refused(
    tmp_path: Path, kind: str, name: str, value: Any
) -> None:
    def twist(found: str, body: dict[str, Any]) -> dict[str, Any]:
        return {**body, name: value} if found == kind else body

    assert refusal(deliver(tmp_path, SmallConversion(twist=twist)))


@pytest.mark.parametrize("kind", ["run.begun", "run.ended", "model.exported", "hub.given"])
def test_a_part_of_the_story_that_is_missing_is_refused(tmp_path: Path, kind: str) -> None:
    lab = SmallConversion()
    last = max(i for i in lab.chosen if json.loads(lab.log.leaves[i])["type"] == kind)
    lab.chosen.remove(last)
    assert refusal(deliver(tmp_path, lab))


def test_an_original_trained_on_other_data_is_refused(tmp_path: Path) -> None:
    def twist(kind: str, body: dict[str, Any]) -> dict[str, Any]:
        other = kind == "run.begun" and body["code"] == "c1" * 32
        return {**body, "versions": []} if other else body

    assert "original's data" in refusal(deliver(tmp_path, SmallConversion(twist=twist)))


def test_another_output_than_the_one_converted_is_refused(tmp_path: Path) -> None:
    def twist(kind: str, body: dict[str, Any]) -> dict[str, Any]:
        original = kind == "run.output" and body["size"] == len(PICKLE)
        return {**body, "commitment": ZEROS} if original else body

    assert "the original" in refusal(deliver(tmp_path, SmallConversion(twist=twist)))


@dataclass
class Late(SmallConversion):
    """A lab that trains the original after it was converted."""

    def _note(self, kind: str, body: dict[str, Any]) -> int:
        index = super()._note(kind, body)
        if kind == "run.ended" and body["run"] == self.first:
            leaf = self.log.leaves.pop(index)
            self.chosen.remove(index)
            self.held = leaf
            return index
        return index

    def _completed(self, closure: Closure) -> Closure:
        self.chosen.append(len(self.log.leaves))
        self.log.leaves.append(self.held)
        return super()._completed(closure)

    def _time(self, index: int) -> str:
        if index >= len(self.log.leaves):
            return str(json.loads(self.held)["time"])
        return super()._time(index)


def test_an_original_that_ended_after_its_conversion_is_refused(tmp_path: Path) -> None:
    assert "before what it converted" in refusal(deliver(tmp_path, Late()))


def test_a_third_run_has_no_part_in_the_story(tmp_path: Path) -> None:
    lab = SmallConversion()
    begun = next(i for i in lab.chosen if json.loads(lab.log.leaves[i])["type"] == "run.begun")
    body = json.loads(lab.log.leaves[begun])["body"]
    lab._note("run.begun", body | {"run": OTHER})
    assert refusal(deliver(tmp_path, lab))


def test_a_run_that_converted_nothing_cannot_carry_a_conversion(tmp_path: Path) -> None:
    lab = SmallLab()
    lab._note("model.exported", {"run": lab.run})
    assert "another run" in refusal(deliver(tmp_path, lab))
