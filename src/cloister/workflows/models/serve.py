"""Serve: a run's model over HTTPS, verified before it is loaded, each answer on record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cloister.core.canonical import canonical
from cloister.core.clock import Clock, timestamp
from cloister.core.commitment import Opening
from cloister.core.encoding import to_text
from cloister.core.errors import Erased, NotAllowed, NotFound, NotVerified
from cloister.core.events import Event, Transaction
from cloister.core.files import write_durably
from cloister.core.ids import DeploymentId, RunId
from cloister.core.values import Actor, KeyGrant
from cloister.identity import people
from cloister.keys.seal import open_sealed, seal_field
from cloister.keys.signing import verify
from cloister.keys.values import GrantRequest
from cloister.models import exports, registry
from cloister.policy import Action, require
from cloister.proof.statement import verify_statement
from cloister.runs import history
from cloister.serving import HashedTokens, PredictionFacts, Served, VerifiedModel
from cloister.workflows import _seen
from cloister.workflows.lab import Act, Lab
from cloister.workflows.unseal import open_keys

_CERTIFICATE_DAYS = 30
_TOKEN_LIFE = timedelta(days=30)
PREDICTION = "prediction"
"""The purpose under which the openings of a prediction's commitments are sealed."""


@dataclass(frozen=True, slots=True)
class ServeRequest:
    """Which model, and where to answer."""

    run: str
    host: str = "127.0.0.1"
    port: int = 0
    model: str | None = None
    """SHA-256 or its beginning, where the run left several."""
    tainted: bool = False
    """Serve it although someone whose data trained it was erased."""


@dataclass(frozen=True, slots=True)
class Serving:
    """A model that answers."""

    deployment: DeploymentId
    run: str
    model: VerifiedModel
    name: str
    url: str
    token_file: Path
    ca_file: Path


def serve(lab: Lab, request: ServeRequest, ready: Callable[[Serving], None]) -> None:
    """Answers until SIGINT or SIGTERM; ``ready`` is called once it does.

    Loads nothing but a model whose statement the lab signed and whose bytes hash to what
    the statement says. Raises NotFound, NotVerified, Erased, NotAllowed for a tainted
    model, BadInput without the ``serve`` extra.
    """
    from cloister import serving

    act = lab.act(Action.SERVE)
    run, verified = verified_model(lab, request)
    with _deployment(act, run, verified) as deployment:
        recorder = _Recorder(lab, deployment, _grant(lab, run))
        token, token_file = _issue_token(act, deployment)
        name = f"run-{run.removeprefix('run_')}"
        loaded = serving.LoadedModel.load(verified, Served(name, "1"))
        app = serving.build_app(loaded, recorder, token)
        certificate = lab.keys.server_certificate(
            _names(request.host), lifetime_days=_CERTIFICATE_DAYS
        )

        def bound(port: int) -> None:
            url = f"https://{request.host}:{port}"
            ca_file = lab.folder / "ca.pem"
            ready(Serving(deployment, run, verified, name, url, token_file, ca_file))

        try:
            serving.serve(
                app,
                serving.Address(request.host, request.port),
                serving.ServerIdentity(certificate.chain_pem, certificate.key_pem),
                bound,
            )
        finally:
            token_file.unlink(missing_ok=True)


def verified_model(lab: Lab, request: ServeRequest) -> tuple[RunId, VerifiedModel]:
    """The run's model, read back and checked against its signed statement."""
    found = lab.read(lambda tx: _find(lab, tx, request))
    key = lab.keys.public_keys()["statement"]
    statement = verify_statement(found.envelope.encode(), key, verify)
    stated = {one.sha256 for one in (statement.closure.model, *statement.closure.companions)}
    if found.model.sha256 not in stated or statement.closure.run != found.run:
        raise NotVerified("the signed statement is about another model")
    keys = open_keys(lab, [found.output.key])
    if found.output.seal not in keys:
        raise Erased("the model was destroyed with an erasure")
    sealed = lab.store.read(found.output.object)
    content = open_sealed(sealed, keys[found.output.seal], found.output.seal)
    return found.run, VerifiedModel(content, found.model.sha256, statement.sha256)


@dataclass(frozen=True, slots=True)
class _Found:
    run: RunId
    model: registry.Model
    output: history.RunOutput
    envelope: str


def _find(lab: Lab, tx: Transaction, request: ServeRequest) -> _Found:
    run = _seen.run(lab, tx, request.run, Action.SERVE)
    signed = registry.envelope(tx, run.run)
    models = [
        one
        for one in registry.of_run(tx, run.run)
        if one.sha256.startswith(request.model or "")
    ]
    if signed is None or not models:
        raise NotFound(
            f"{run.run} left no model with a signed statement",
            hint=_way_out(tx, run.run),
        )
    if len(models) > 1:
        names = ", ".join(one.sha256[:12] for one in models)
        raise NotFound(
            f"{run.run} left several models: {names}", hint="choose one with --model"
        )
    if registry.taints(tx, run.run) and not request.tainted:
        raise NotAllowed(
            "the model is tainted: someone whose data trained it was erased",
            hint="train again without them, or serve it all the same with --tainted",
        )
    output = next(o for o in history.outputs(tx, run.run) if o.place == models[0].output)
    return _Found(run.run, models[0], output, signed[0])


def _way_out(tx: Transaction, run: str) -> str:
    """What to do about a run without a model of its own: what came of it, or may."""
    made = exports.of_origin(tx, run)
    if made:
        return f"what it left was converted: `cloister serve {made[-1].run}`"
    return f"convert what it left: `cloister export {run}`; or leave an ONNX file"


@contextmanager
def _deployment(act: Act, run: RunId, model: VerifiedModel) -> Iterator[DeploymentId]:
    """On record from before the first answer until after the last."""
    deployment = DeploymentId.new(act.lab.randomness)
    body = {
        "deployment": deployment,
        "run": run,
        "sha256": model.sha256,
        "statement": model.statement_sha256,
    }
    act.record([act.event("deployment.started", body)])
    try:
        yield deployment
    finally:
        act.record([act.event("deployment.stopped", {"deployment": deployment})])


def _grant(lab: Lab, run: RunId) -> KeyGrant:
    return lab.keys.grants([GrantRequest(run)])[0].key


def _caller(lab: Lab) -> Actor:
    """Who asks with the deployment's token: a service on behalf of whoever serves."""
    return Actor(lab.actor.person, "service", "token:deployment")


class _Token:
    """A TokenCheck for one token, until it expires."""

    def __init__(self, digest: str, actor: Actor, clock: Clock, expires: datetime) -> None:
        self._known = HashedTokens([(digest, actor)])
        self._clock = clock
        self._expires = expires

    def __call__(self, presented: str) -> Actor | None:
        """Whose token it is; None for any other, and for all once it has expired."""
        return self._known(presented) if self._clock.now() < self._expires else None


def _issue_token(act: Act, deployment: DeploymentId) -> tuple[_Token, Path]:
    """What checks a fresh token, and the file that holds it, 0600."""
    lab = act.lab
    expires = lab.clock.now() + _TOKEN_LIFE
    token, digest = people.new_token(lab.randomness)
    body = {
        "expires": timestamp(expires),
        "person": lab.actor.person,
        "purpose": deployment,
        "role": "service",
        "sha256": digest,
    }
    act.record([act.event("token.issued", body)])
    path = lab.runtime / f"{deployment}.token"
    write_durably(path, token.encode())
    return _Token(digest, _caller(lab), lab.clock, expires), path


def _names(host: str) -> list[str]:
    return sorted({host, "localhost", "127.0.0.1"})


class _Recorder:
    """Puts each answer on record; several at once share a commit."""

    def __init__(self, lab: Lab, deployment: DeploymentId, grant: KeyGrant) -> None:
        self._lab = lab
        self._deployment = deployment
        self._grant = grant

    def __call__(self, facts: PredictionFacts) -> int:
        """The ledger index, once it is durable."""
        event = self._event(
            facts, require(facts.actor, Action.PREDICT, rules=self._lab.rules).reason
        )
        lab = self._lab
        return lab.database.write(lambda tx: lab.ledger.append(tx, [event]))[0].index

    def _event(self, facts: PredictionFacts, reason: str) -> Event:
        question, answer = facts.question.commitment(), facts.answer.commitment()
        plain = canonical({"answer": _open(facts.answer), "question": _open(facts.question)})
        sealed = seal_field(self._grant.object_key, PREDICTION, plain, question.encode())
        body = {
            "deployment": self._deployment,
            "input": question,
            "opening": to_text(sealed),
            "output": answer,
            "seal": to_text(self._grant.seal_id),
            "sha256": facts.model_sha256,
            "subject": facts.subject,
            "wrap": to_text(self._grant.wrap),
        }
        now = timestamp(self._lab.clock.now())
        return Event("prediction.made", now, facts.actor.person, reason, body)


def _open(opening: Opening) -> dict[str, str]:
    return {"salt": to_text(opening.salt), "sha256": opening.plaintext_sha256.hex()}
