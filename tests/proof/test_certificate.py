from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from cloister.core.canonical import canonical
from cloister.core.errors import NotVerified
from cloister.proof.certificate import (
    LEVELS,
    Certificate,
    Probe,
    sign_certificate,
    verify_certificate,
)
from cloister.proof.dsse import sign_envelope
from tests.ledger.lab import LogKey, verify
from tests.proof.small_erasure import certificate
from tests.proof.small_lab import SmallLab

SIGNER = LogKey(name="lab_test/statement")


@pytest.fixture(scope="module")
def done() -> Certificate:
    return certificate(SmallLab())


def test_what_was_certified_is_what_is_read(done: Certificate) -> None:
    signed = sign_certificate(done, SIGNER)
    assert verify_certificate(signed.envelope, SIGNER.public_key, verify) == done


@pytest.mark.parametrize("probe", [Probe("live", 3, 1, 0), Probe("others", 100, 99, 100)])
def test_erasure_that_did_not_erase_is_not_certified(done: Certificate, probe: Probe) -> None:
    with pytest.raises(NotVerified, match="cannot be certified"):
        sign_certificate(replace(done, probes=(*done.probes, probe)), SIGNER)


def test_unknown_level_and_nobody_are_not_certified(done: Certificate) -> None:
    for wrong in (
        replace(done, keys=replace(done.keys, level="L9")),
        replace(done, subjects=()),
    ):
        with pytest.raises(NotVerified):
            sign_certificate(wrong, SIGNER)


def test_every_level_says_what_it_means(done: Certificate) -> None:
    for level, meaning in LEVELS.items():
        signed = sign_certificate(replace(done, keys=replace(done.keys, level=level)), SIGNER)
        assert json.loads(signed.payload)["predicate"]["keys"]["meaning"] == meaning
    assert "remnant" in LEVELS["L1"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("_type", "x"),
        ("predicateType", "https://slsa.dev/provenance/v1"),
        ("subject", []),
        ("more", 1),
    ],
)
def test_signed_document_of_another_shape_is_refused(
    done: Certificate, name: str, value: Any
) -> None:
    document = {**json.loads(sign_certificate(done, SIGNER).payload), name: value}
    with pytest.raises(NotVerified):
        verify_certificate(
            sign_envelope(canonical(document), SIGNER), SIGNER.public_key, verify
        )
