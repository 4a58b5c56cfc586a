"""The bundles that stand with the examples: anyone can check them, with the verifier alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.proof.verifying import Delivered

PROOFS = ROOT / "examples/proofs"
BUNDLES = sorted(
    str(one.parent.relative_to(PROOFS)) for one in PROOFS.glob("*/*/manifest.json")
)


def delivered(bundle: str, folder: Path) -> Delivered:
    copied = Path(shutil.copytree(PROOFS / bundle, folder / "bundle"))
    return Delivered(copied, (PROOFS / bundle).with_name("lab.pub"))


@pytest.mark.parametrize("bundle", BUNDLES)
def test_each_is_verified(bundle: str, tmp_path: Path) -> None:
    verdict = delivered(bundle, tmp_path).judge()
    assert verdict.verified, verdict.reason


@pytest.mark.parametrize("bundle", BUNDLES)
def test_each_is_refused_once_its_model_or_a_record_is_another(
    bundle: str, tmp_path: Path
) -> None:
    for number, file in enumerate(("events.jsonl", "models/model.onnx")):
        changed = delivered(bundle, tmp_path / str(number))
        content = bytearray((changed.folder / file).read_bytes())
        content[len(content) // 2] ^= 1
        changed.put(file, bytes(content))
        assert changed.judge().refused


def test_the_model_and_the_best_trial_of_both_examples_are_there() -> None:
    names = ("best-trial", "model")
    assert [f"{one}/{name}" for one in ("chest", "forecast") for name in names] == BUNDLES
