"""What made a model, as an in-toto Statement v1 with SLSA provenance v1, signed and read back.

Sources: in-toto Attestation Framework v1 (Statement, ResourceDescriptor, DigestSet), SLSA
Provenance v1. Drawn in docs/formats/statement.md. Only fields of those schemas are used, so
their own parsers read it: what they have no field for rides in ``annotations``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from cloister.core.canonical import Json, canonical
from cloister.core.errors import NotVerified
from cloister.core.signing import PublicKey, Signer, Verifier
from cloister.core.values import Closure, Digest, HubModel
from cloister.proof._origin import dependency_of, parity_of, read_origin, read_report
from cloister.proof.documents import Fields, read_document
from cloister.proof.dsse import open_envelope, sign_envelope
from cloister.runs.history import fence_body

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:cloister:run:v1"
WIDER_BUILD_TYPE = "urn:cloister:run:v2"
"""Of a run that was given pretrained models, or that converted what another run left."""
LAB_URN = "urn:cloister:lab:"
VERSION_DIGEST = "cloisterVersionV1"
COMMITMENT_DIGEST = "cloisterCommitmentV1"


@dataclass(frozen=True, slots=True)
class Statement:
    """A closure and the exact bytes that were signed for it."""

    closure: Closure
    payload: bytes

    @property
    def sha256(self) -> str:
        """The name the ledger knows it by (``statement.signed``)."""
        return hashlib.sha256(self.payload).hexdigest()


@dataclass(frozen=True, slots=True)
class SignedStatement:
    """A statement inside its envelope."""

    statement: Statement
    envelope: bytes


def sign_statement(closure: Closure, signer: Signer) -> SignedStatement:
    """States ``closure`` under the lab's statement key; raises KeysUnavailable."""
    payload = canonical(_document(closure))
    return SignedStatement(Statement(closure, payload), sign_envelope(payload, signer))


def verify_statement(envelope: bytes, key: PublicKey, verify: Verifier) -> Statement:
    """The statement that ``key`` signed; raises NotVerified for anything else."""
    payload = open_envelope(envelope, key, verify)
    document = Fields(read_document(payload, "the statement"), "the statement")
    if document.text("_type") != STATEMENT_TYPE:
        raise NotVerified("the statement is not an in-toto Statement v1")
    if document.text("predicateType") != PREDICATE_TYPE:
        raise NotVerified("the statement is not SLSA provenance v1")
    closure = _closure(document)
    if canonical(_document(closure)) != payload:
        raise NotVerified("the statement holds fields its format does not know")
    return Statement(closure, payload)


def _document(closure: Closure) -> dict[str, Json]:
    return {
        "_type": STATEMENT_TYPE,
        "subject": [_artifact(model) for model in (closure.model, *closure.companions)],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "buildDefinition": _build_definition(closure),
            "runDetails": _run_details(closure),
        },
    }


def _artifact(digest: Digest) -> Json:
    return {"name": digest.name, "digest": {"sha256": digest.sha256}}


def _build_definition(closure: Closure) -> Json:
    versions: list[Json] = [
        {
            "uri": "urn:cloister:version",
            "name": version.name,
            "digest": {VERSION_DIGEST: version.sha256},
        }
        for version in closure.versions
    ]
    return {
        "buildType": WIDER_BUILD_TYPE if closure.hub or closure.origin else BUILD_TYPE,
        "externalParameters": {"command": {COMMITMENT_DIGEST: closure.command_commitment}},
        "internalParameters": {"settings": dict(closure.settings)},
        "resolvedDependencies": [
            *versions,
            _dependency("code", closure.code),
            _dependency("environment", closure.environment),
            *(_pretrained(model) for model in closure.hub),
            *([dependency_of(closure.origin)] if closure.origin else []),
        ],
    }


def _dependency(kind: str, digest: Digest) -> Json:
    return {
        "uri": f"urn:cloister:{kind}",
        "name": digest.name,
        "digest": {"sha256": digest.sha256},
    }


def _pretrained(model: HubModel) -> Json:
    return {
        "uri": "urn:cloister:hub",
        "name": model.name,
        "digest": {"sha256": model.sha256},
        "annotations": {"license": model.license},
    }


def _run_details(closure: Closure) -> Json:
    outputs: list[Json] = [
        {"name": "output", "digest": {COMMITMENT_DIGEST: commitment}}
        for commitment in closure.outputs
    ]
    return {
        "builder": {"id": LAB_URN + closure.lab},
        "metadata": {
            "invocationId": closure.run,
            "startedOn": closure.started,
            "finishedOn": closure.finished,
        },
        "byproducts": [
            {"name": "fence", "annotations": fence_body(closure.fence)},
            {"name": "ledger", "annotations": {"indices": list(closure.ledger_indices)}},
            *outputs,
            *([parity_of(closure.origin)] if closure.origin else []),
        ],
    }


def _closure(document: Fields) -> Closure:
    models = tuple(_sha256(part) for part in document.parts("subject"))
    if not models:
        raise NotVerified("the statement names no model")
    predicate = document.part("predicate")
    build, details = predicate.part("buildDefinition"), predicate.part("runDetails")
    dependencies = build.parts("resolvedDependencies")
    byproducts = details.parts("byproducts")
    metadata = details.part("metadata")
    return Closure(
        lab=details.part("builder").text("id").removeprefix(LAB_URN),
        run=metadata.text("invocationId"),
        model=models[0],
        command_commitment=build.part("externalParameters")
        .part("command")
        .text(COMMITMENT_DIGEST),
        versions=tuple(
            Digest(part.text("name"), part.part("digest").text(VERSION_DIGEST))
            for part in dependencies
            if part.text("uri") == "urn:cloister:version"
        ),
        code=_sha256(_named(dependencies, "uri", "urn:cloister:code")),
        environment=_sha256(_named(dependencies, "uri", "urn:cloister:environment")),
        settings=build.part("internalParameters").text_map("settings"),
        started=metadata.text("startedOn"),
        finished=metadata.text("finishedOn"),
        fence=read_report(_named(byproducts, "name", "fence").part("annotations")),
        ledger_indices=_named(byproducts, "name", "ledger")
        .part("annotations")
        .counts("indices"),
        companions=models[1:],
        outputs=tuple(
            part.part("digest").text(COMMITMENT_DIGEST)
            for part in byproducts
            if part.text("name") == "output"
        ),
        hub=tuple(
            HubModel(
                part.text("name"),
                part.part("digest").text("sha256"),
                part.part("annotations").text("license"),
            )
            for part in dependencies
            if part.text("uri") == "urn:cloister:hub"
        ),
        origin=read_origin(dependencies, byproducts),
    )


def _sha256(part: Fields) -> Digest:
    return Digest(part.text("name"), part.part("digest").text("sha256"))


def _named(parts: Sequence[Fields], field: str, value: str) -> Fields:
    matching = [part for part in parts if part.text(field) == value]
    if len(matching) != 1:
        raise NotVerified(f"the statement: expected one {value}, found {len(matching)}")
    return matching[0]
