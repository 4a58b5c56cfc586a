"""Attest: what made a model, gathered from the record, stated and signed by the lab."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cloister.core.errors import NotFound
from cloister.core.events import Event, Transaction
from cloister.core.ids import OperationId, RunId
from cloister.core.values import Closure, Digest, Origin
from cloister.datasets import versions
from cloister.models import exports, hub, registry
from cloister.models.exports import Export
from cloister.proof.statement import sign_statement
from cloister.runs import history
from cloister.runs.history import Run
from cloister.workflows._keeping import FoundModel
from cloister.workflows.lab import Act, Lab


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that ended well, as its models are put on record."""

    run: Run
    outputs: Mapping[str, int]
    """Where the ledger has the output with that object."""
    late: Sequence[OperationId]
    """Erasures, while it ran, of people whose data it was given."""


def flags(
    act: Act, run: RunId, late: Sequence[OperationId], known: Sequence[str]
) -> Iterator[Event]:
    """The events that flag a run for erasures before it began: a conversion inherits them."""
    for operation in late:
        if operation not in known:
            yield act.event("run.tainted", {"operation": operation, "run": run})


def registrations(act: Act, ended: Ended, found: Sequence[FoundModel]) -> Iterator[Event]:
    """The events that put a run's servable models on record, each once, by path.

    Part of the transaction that ends the run: an erasure either finds the models, or is
    found here.
    """
    run = ended.run.run
    distinct = {model.kept.sha256: model for model in reversed(found) if model.spec}
    for model in sorted(distinct.values(), key=lambda model: model.kept.path):
        body = {
            "format": "onnx",
            "output": ended.outputs[model.kept.object],
            "run": run,
            "sha256": model.kept.sha256,
            "size": model.kept.size_bytes,
            "spec": model.spec,
        }
        yield act.event("model.registered", body)
        for operation in ended.late:
            flag = {"operation": operation, "run": run, "sha256": model.kept.sha256}
            yield act.event("model.tainted", flag)


def attest(act: Act, run: RunId) -> bool:
    """Signs one statement over what made the models of a finished run; durable on return.

    False when the run left no model that may be served.
    """
    lab = act.lab
    models = lab.read(lambda tx: registry.of_run(tx, run))
    if not models:
        return False
    digests = [Digest(model_name(n), model.sha256) for n, model in enumerate(models, 1)]
    closure = lab.read(lambda tx: gather(lab, tx, run, digests))
    signed = sign_statement(closure, lab.keys.signer("statement"))
    body = {
        "envelope": signed.envelope.decode(),
        "run": run,
        "sha256": signed.statement.sha256,
    }
    act.record([act.event("statement.signed", body)])
    return True


def model_name(number: int) -> str:
    """What a model is called outside its seal: its own file name may be a patient's."""
    return "model.onnx" if number == 1 else f"model-{number}.onnx"


def gather(lab: Lab, tx: Transaction, run: RunId, models: Sequence[Digest]) -> Closure:
    """Everything that made ``models``, as the record has it; raises NotFound."""
    done = history.find(tx, run)
    if done.fence is None or done.finished is None or done.ended is None:
        raise NotFound(f"run {run} has not ended")
    inputs = history.inputs(tx, run)
    outputs = history.outputs(tx, run)
    resolved = [versions.resolve(tx, f"{given.dataset}@{given.number}") for given in inputs]
    indices = [done.begun, done.ended]
    indices += [output.place for output in outputs]
    indices += [model.registered for model in registry.of_run(tx, run)]
    indices += [version.place for version in resolved]
    indices += hub.given_at(tx, run)
    exported = exports.find(tx, run)
    if exported is not None:
        indices += origin_places(tx, exported)
    return Closure(
        lab=lab.id,
        run=run,
        model=models[0],
        command_commitment=done.command_commitment,
        versions=tuple(Digest(str(version), version.root) for version in resolved),
        code=Digest("code", done.code),
        environment=Digest("environment", done.environment),
        settings=history.settings(done),
        started=done.started,
        finished=done.finished,
        fence=history.fence_report(done.fence),
        ledger_indices=tuple(sorted(indices)),
        companions=tuple(models[1:]),
        outputs=tuple(output.commitment for output in outputs),
        hub=tuple(hub.given(tx, run)),
        origin=_origin(tx, exported) if exported is not None else None,
    )


def origin_places(tx: Transaction, exported: Export) -> list[int]:
    """Where the ledger tells of a conversion and of the run whose file it was."""
    trained = history.find(tx, exported.origin)
    assert trained.ended is not None
    return [exported.place, exported.source, trained.begun, trained.ended]


def _origin(tx: Transaction, exported: Export) -> Origin:
    trained = history.find(tx, exported.origin)
    assert trained.fence is not None
    assert trained.finished is not None
    return Origin(
        run=trained.run,
        output=exported.output,
        command_commitment=trained.command_commitment,
        code=trained.code,
        environment=trained.environment,
        settings=history.settings(trained),
        started=trained.started,
        finished=trained.finished,
        fence=history.fence_report(trained.fence),
        converter=exported.converter,
        parity=exported.measured(),
    )
