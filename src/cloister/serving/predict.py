"""One prediction, start to end, in one thread: ask, answer, record, and only then hand out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from cloister.core.commitment import commit_to
from cloister.core.errors import BadInput
from cloister.core.ids import Randomness
from cloister.core.values import Actor
from cloister.serving.commitment import canonical_tensors
from cloister.serving.question import Question, Wanted, read_question
from cloister.serving.session import LoadedModel, Patience
from cloister.serving.tensors import Tensor, is_finite, to_binary, to_json
from cloister.serving.values import Limits, PredictionFacts, Recorder


@dataclass(frozen=True, slots=True)
class Answer:
    """A response body, ready to leave."""

    body: bytes
    json_size: int | None
    """How much of it is JSON, if binary tensors follow."""
    ledger_index: int


class Unrecorded(Exception):
    """The prediction could not be put on record; the cause says why."""


class Predictor:
    """Answers requests to one model; any number of threads may call it."""

    def __init__(
        self, model: LoadedModel, record: Recorder, randomness: Randomness, limits: Limits
    ) -> None:
        self._model = model
        self._record = record
        self._randomness = randomness
        self.limits = limits

    def answer(
        self, body: bytes, json_size: int | None, actor: Actor, patience: Patience | None = None
    ) -> Answer:
        """The answer to ``body``, already on record.

        Raises BadInput if there is no answer, Unrecorded if it could not be recorded; in
        both cases nothing of the answer survives.
        """
        question = read_question(body, json_size, self._model, self.limits)
        ports = [want.port for want in question.wanted]
        tensors = self._model.run(question.tensors, ports, patience)
        if not self._model.execution.allow_nonfinite and not all(map(is_finite, tensors)):
            raise BadInput("the model's answer to this input holds NaN or an infinity")
        index = self._put_on_record(question, tensors, actor)
        return self._render(question, tensors, index)

    def _put_on_record(self, question: Question, tensors: list[Tensor], actor: Actor) -> int:
        facts = PredictionFacts(
            model_sha256=self._model.verified.sha256,
            statement_sha256=self._model.verified.statement_sha256,
            actor=actor,
            subject=question.subject,
            question=commit_to(canonical_tensors(question.tensors), self._randomness),
            answer=commit_to(canonical_tensors(tensors), self._randomness),
        )
        try:
            return self._record(facts)
        except Exception as error:  # whatever the cause, an unrecorded answer may not leave
            raise Unrecorded from error

    def _render(self, question: Question, tensors: list[Tensor], index: int) -> Answer:
        served = self._model.served
        parameters: dict[str, Any] = {"ledger_index": index}
        if served.watermark is not None:
            parameters["watermark"] = served.watermark
        parameters["model_sha256"] = self._model.verified.sha256
        response: dict[str, Any] = {
            "model_name": served.name,
            "model_version": served.version,
            **({} if question.id is None else {"id": question.id}),
            "parameters": parameters,
        }
        binaries: list[bytes] = []
        pairs = zip(question.wanted, tensors, strict=True)
        response["outputs"] = [_output(want, tensor, binaries) for want, tensor in pairs]
        text = json.dumps(response, separators=(",", ":")).encode()
        if not binaries:
            return Answer(text, None, index)
        return Answer(b"".join([text, *binaries]), len(text), index)


def _output(want: Wanted, tensor: Tensor, binaries: list[bytes]) -> dict[str, Any]:
    output: dict[str, Any] = {
        "name": tensor.name,
        "datatype": tensor.datatype.name,
        "shape": tensor.shape,
    }
    if want.binary:
        binaries.append(to_binary(tensor))
        output["parameters"] = {"binary_data_size": len(binaries[-1])}
    else:
        output["data"] = to_json(tensor)
    return output
