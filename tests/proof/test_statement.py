from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloister.core.canonical import canonical
from cloister.core.encoding import to_bytes, to_text
from cloister.core.errors import NotVerified
from cloister.core.values import (
    Closure,
    Digest,
    FenceLevel,
    FenceReport,
    HubModel,
    Origin,
    Parity,
)
from cloister.proof.dsse import PAYLOAD_TYPE, open_envelope, pae, sign_envelope
from cloister.proof.statement import sign_statement, verify_statement
from tests.ledger.lab import LogKey, verify
from tests.proof.small_lab import SmallLab
from tests.proof.verifying import verifier

SIGNER = LogKey(name="lab_test/statement")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
HEX = st.binary(min_size=32, max_size=32).map(bytes.hex)
DIGESTS = st.builds(Digest, TEXT, HEX)
COUNTS = st.integers(0, 2**53 - 1)
REPORTS = st.builds(
    FenceReport,
    st.sampled_from(FenceLevel),
    COUNTS,
    COUNTS,
    st.dictionaries(TEXT, COUNTS, max_size=3),
    COUNTS,
    COUNTS,
    COUNTS,
    st.lists(TEXT, max_size=3).map(tuple),
)
DECIMALS = st.sampled_from(["0.000e+00", "1.234e-06", "inf"])
ORIGINS = st.builds(
    Origin,
    run=TEXT,
    output=HEX,
    command_commitment=HEX,
    code=HEX,
    environment=HEX,
    settings=st.dictionaries(TEXT, TEXT, max_size=2),
    started=TEXT,
    finished=TEXT,
    fence=REPORTS,
    converter=TEXT,
    parity=st.builds(
        Parity, COUNTS, st.booleans(), COUNTS, COUNTS, DECIMALS, DECIMALS, DECIMALS
    ),
)
CLOSURES = st.builds(
    Closure,
    lab=TEXT,
    run=TEXT,
    model=DIGESTS,
    command_commitment=HEX,
    versions=st.lists(DIGESTS, max_size=3).map(tuple),
    code=DIGESTS,
    environment=DIGESTS,
    settings=st.dictionaries(TEXT, TEXT, max_size=4),
    started=TEXT,
    finished=TEXT,
    fence=REPORTS,
    ledger_indices=st.lists(COUNTS, max_size=3).map(tuple),
    companions=st.lists(DIGESTS, max_size=2).map(tuple),
    outputs=st.lists(HEX, max_size=3).map(tuple),
    hub=st.lists(st.builds(HubModel, TEXT, HEX, TEXT), max_size=2).map(tuple),
    origin=st.none() | ORIGINS,
)


@given(CLOSURES)
def test_what_was_stated_is_what_is_read(closure: Closure) -> None:
    signed = sign_statement(closure, SIGNER)
    read = verify_statement(signed.envelope, SIGNER.public_key, verify)
    assert read == signed.statement
    assert read.closure == closure


@given(CLOSURES)
def test_the_verifier_reads_the_same_statement(closure: Closure) -> None:
    models = [closure.model.sha256, *(model.sha256 for model in closure.companions)]
    if len(set(models)) < len(models):
        return
    found = verifier.read_provenance(sign_statement(closure, SIGNER).statement.payload)
    assert [model.sha256 for model in found.models] == models
    assert tuple((v.name, v.root) for v in found.versions) == tuple(
        (v.name, v.sha256) for v in closure.versions
    )
    stated = (found.run, found.lab, found.command, found.started, found.finished)
    assert stated == (
        closure.run,
        closure.lab,
        closure.command_commitment,
        closure.started,
        closure.finished,
    )
    assert (found.settings, tuple(found.outputs)) == (closure.settings, closure.outputs)
    assert tuple(found.indices) == closure.ledger_indices
    assert found.fence["level"] == closure.fence.level


def test_pre_authentication_encoding_is_dsse() -> None:
    """The example of the DSSE protocol's own text."""
    expected = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert pae("http://example.com/HelloWorld", b"hello world") == expected


def test_other_key_is_refused() -> None:
    signed = sign_statement(SmallLab().closure, SIGNER)
    other = LogKey(seed=b"\x01" * 32, name=SIGNER.public_key.name)
    with pytest.raises(NotVerified):
        verify_statement(signed.envelope, other.public_key, verify)


def test_signature_of_another_key_under_the_right_name_is_refused() -> None:
    forged = json.loads(sign_statement(SmallLab().closure, SIGNER).envelope)
    other = LogKey(seed=b"\x01" * 32).sign(pae(PAYLOAD_TYPE, to_bytes(forged["payload"])))
    forged["signatures"][0]["sig"] = to_text(other)
    with pytest.raises(NotVerified):
        verify_statement(canonical(forged), SIGNER.public_key, verify)


@given(st.data())
def test_changed_byte_of_an_envelope_is_refused(data: st.DataObject) -> None:
    envelope = bytearray(sign_statement(SmallLab().closure, SIGNER).envelope)
    place = data.draw(st.integers(0, len(envelope) - 1))
    envelope[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(NotVerified):
        verify_statement(bytes(envelope), SIGNER.public_key, verify)


def changed(path: str, value: Any) -> bytes:
    """The small lab's statement with one field changed, signed by the right key."""
    document = json.loads(sign_statement(SmallLab().closure, SIGNER).statement.payload)
    *parents, name = path.split(".")
    inner = document
    for parent in parents:
        inner = inner[int(parent)] if parent.isdigit() else inner[parent]
    inner[int(name) if name.isdigit() else name] = value
    return sign_envelope(canonical(document), SIGNER)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("_type", "https://in-toto.io/Statement/v0.1"),
        ("predicateType", "https://slsa.dev/provenance/v0.2"),
        ("predicate", None),
        ("predicate.more", 1),
        ("subject", []),
        ("subject", {}),
        ("subject.0.digest", {"sha512": "00"}),
        ("predicate.buildDefinition.buildType", "urn:cloister:run:v2"),
        ("predicate.buildDefinition.resolvedDependencies", []),
        ("predicate.buildDefinition.resolvedDependencies.1.uri", "urn:cloister:environment"),
        ("predicate.buildDefinition.internalParameters.settings", {"threads": 2}),
        ("predicate.runDetails.builder.id", "https://github.com/actions"),
        ("predicate.runDetails.metadata.invocationId", 7),
        ("predicate.runDetails.byproducts", []),
        ("predicate.runDetails.byproducts.0.annotations.level", "perfect"),
        ("predicate.runDetails.byproducts.0.annotations.exit_status", True),
        ("predicate.runDetails.byproducts.0.annotations.notes", [1]),
        ("predicate.runDetails.byproducts.1.annotations.indices", ["1"]),
    ],
)
def test_signed_document_of_another_shape_is_refused_here_and_by_the_verifier(
    path: str, value: Any
) -> None:
    envelope = changed(path, value)
    with pytest.raises(NotVerified):
        verify_statement(envelope, SIGNER.public_key, verify)
    payload = open_envelope(envelope, SIGNER.public_key, verify)
    with pytest.raises(verifier.Refused):
        read_by_the_verifier(payload)


def read_by_the_verifier(payload: bytes) -> None:
    begun = verifier.Entry(0, "run.begun", "", "per_aaaaaaaaaaaaaaaa", {})
    verifier.attest_run(verifier.read_provenance(payload), begun, verifier.Report())


def test_statement_can_name_several_models() -> None:
    lab = SmallLab()
    closure = replace(lab.closure, companions=(Digest("b.onnx", "0b" * 32),))
    found = verifier.read_provenance(sign_statement(closure, SIGNER).statement.payload)
    assert [model.name for model in found.models] == ["model.onnx", "b.onnx"]
