"""Attest: what made a model, gathered from the record, stated and signed by the lab."""

from __future__ import annotations

from collections.abc import Sequence

from cloister.core.errors import NotFound
from cloister.core.events import Event, Transaction
from cloister.core.ids import RunId
from cloister.core.values import Closure, Digest
from cloister.datasets import versions
from cloister.models import registry
from cloister.proof import sign_statement
from cloister.runs import history
from cloister.workflows._keeping import FoundModel
from cloister.workflows.lab import Act, Lab


def attest(act: Act, run: RunId, found: Sequence[FoundModel]) -> bool:
    """Registers the models of a finished run and signs one statement over what made them.

    False when the run left no model that may be served. Durable when it returns.
    """
    distinct = {model.kept.sha256: model for model in reversed(found) if model.spec}
    servable = sorted(distinct.values(), key=lambda model: model.kept.path)
    if not servable:
        return False
    lab = act.lab
    kept = lab.read(lambda tx: history.outputs(tx, run))
    outputs = {output.object: output.place for output in kept}
    act.record([_registered(act, run, model, outputs[model.kept.object]) for model in servable])
    digests = [Digest(model_name(n), one.kept.sha256) for n, one in enumerate(servable, 1)]
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


def _registered(act: Act, run: RunId, model: FoundModel, output: int) -> Event:
    body = {
        "format": "onnx",
        "output": output,
        "run": run,
        "sha256": model.kept.sha256,
        "size": model.kept.size_bytes,
        "spec": model.spec,
    }
    return act.event("model.registered", body)


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
    )
