"""Rehearsed: what a copy of the lab is worth: its records decrypt, its newest model answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cloister.core.errors import BadInput, CloisterError, Erased, NotFound
from cloister.core.events import Transaction
from cloister.keys.client import KeyClient
from cloister.keys.seal import open_sealed
from cloister.models import registry
from cloister.policy import Action
from cloister.recovery.register import KnownTarget
from cloister.runs import history
from cloister.workflows.lab import Lab
from cloister.workflows.recovery.readback import Copy, Readback, readback

SCENARIOS = (
    "process-kill",
    "disk-loss",
    "box-loss",
    "deleted-by-mistake",
    "ransomware",
    "bit-rot",
    "lost-key-provider",
)


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """One disaster, as it was rehearsed."""

    scenario: str
    outcome: str
    """``passed``, ``failed`` or ``not rehearsed``."""
    says: str
    rpo_ms: int | None = None
    """From the last acknowledged change to the last one that came back."""
    rto_ms: int | None = None
    """From the disaster to the first record read and the first change written."""
    fetched_bytes: int = 0
    records: int = 0
    readable: int = 0
    prediction: str = "none"
    """``same`` as the lab's, ``different``, or ``none`` where no model can answer."""
    save: int = 0
    size: int = 0


def record_rehearsed(lab: Lab, known: KnownTarget, done: Rehearsed) -> None:
    """Puts a rehearsal on record."""
    act = lab.act(Action.ADMINISTER)
    body = {
        "bytes": done.fetched_bytes,
        "outcome": done.outcome,
        "prediction": done.prediction,
        "readable": done.readable,
        "records": done.records,
        "rpo_ms": done.rpo_ms,
        "rto_ms": done.rto_ms,
        "save": done.save,
        "scenario": done.scenario,
        "size": done.size,
        "target": known.target,
    }
    act.record([act.event("drill.completed", body)])


def read_samples(lab: Lab, copy: Copy, sample: int) -> Readback:
    """Records of the copy, opened with today's keys; on record as a reading."""
    return readback(lab, copy, sample, None)


def newest_answer(keys: KeyClient, copy: Copy) -> bytes | None:
    """What the newest model of the copy answers to a question of zeros; None without one.

    The bytes of all its outputs. Raises what loading and asking raise; BadInput without the
    ``serve`` extra.
    """
    with copy.database.read() as tx:
        found = _newest_model(tx)
    if found is None:
        return None
    model, output = found
    key = keys.open([output.key])[0]
    if key is None:
        raise Erased("the key of the run that made the model was destroyed")
    content = open_sealed(copy.store.read(output.object), key, output.seal)
    return _asked(content, model.sha256)


def _newest_model(tx: Transaction) -> tuple[registry.Model, history.RunOutput] | None:
    for run in reversed(history.everything(tx)):
        for model in registry.of_run(tx, run.run):
            for output in history.outputs(tx, run.run):
                if output.place == model.output:
                    return model, output
    return None


def _asked(content: bytes, sha256: str) -> bytes:
    from cloister import serving

    loaded = serving.LoadedModel.load(
        serving.VerifiedModel(content, sha256, sha256), serving.Served("drill", "1")
    )
    questions = [serving.zeros(port) for port in loaded.inputs]
    answers = loaded.run(questions, loaded.outputs)
    return repr([(one.name, one.array.tolist()) for one in answers]).encode()


def compare_answers(lab: Lab, live: Copy, keys: KeyClient, copy: Copy) -> str:
    """Whether the copy's newest model answers what the same model of the lab answers."""
    lab.act(Action.PREDICT)
    try:
        theirs = newest_answer(keys, copy)
        ours = newest_answer(lab.keys, live)
    except (BadInput, NotFound, Erased):
        return "none"
    except CloisterError:
        return "different"
    if theirs is None:
        return "none"
    return "same" if theirs == ours else "different"


def passed(done: Sequence[Rehearsed]) -> bool:
    """Whether none failed."""
    return all(one.outcome != "failed" for one in done)
