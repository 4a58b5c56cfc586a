"""Reads one inference request, and refuses everything in it that could not be honoured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cloister.core.errors import BadInput
from cloister.core.ids import SubjectId
from cloister.serving.session import LoadedModel
from cloister.serving.tensors import (
    Port,
    Tensor,
    check_shared_sizes,
    from_binary,
    from_json,
    is_finite,
)
from cloister.serving.values import Limits

_LONGEST_ID = 256
_REQUEST = frozenset({"binary_data_output", "subject"})
_INPUT = frozenset({"binary_data_size"})
_OUTPUT = frozenset({"binary_data"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """One output, and how it shall travel."""

    port: Port
    binary: bool


@dataclass(frozen=True, slots=True)
class Question:
    """A request whose every part was checked."""

    id: str | None
    subject: SubjectId | None
    tensors: tuple[Tensor, ...]
    wanted: tuple[Wanted, ...]


def read_question(
    body: bytes, json_size: int | None, model: LoadedModel, limits: Limits
) -> Question:
    """The question in ``body``: JSON in its first ``json_size`` bytes, binary tensors behind.

    Raises BadInput with a message that quotes nothing of the request.
    """
    size = len(body) if json_size is None else json_size
    if not 0 <= size <= len(body):
        raise BadInput("Inference-Header-Content-Length is not within the body")
    request = _parse(memoryview(body)[:size], limits, model.execution.allow_nonfinite)
    parameters = _parameters(request, _REQUEST, "the request")
    reader = _Inputs(model, limits, memoryview(body)[size:])
    tensors = reader.read(_list(request, "inputs", limits))
    return Question(
        id=_identifier(request.get("id")),
        subject=_subject(parameters.get("subject")),
        tensors=tensors,
        wanted=_wanted(request, model, _flag(parameters, "binary_data_output"), limits),
    )


def _parse(text: memoryview, limits: Limits, allow_nonfinite: bool) -> Mapping[str, Any]:
    if len(text) > limits.json_bytes:
        raise BadInput(
            f"more than {limits.json_bytes} bytes of JSON; send tensors as binary data"
        )
    constant = float if allow_nonfinite else _refuse_constant
    try:
        request = json.loads(
            str(text, "utf-8"), object_pairs_hook=_object, parse_constant=constant
        )
    except (ValueError, RecursionError):
        # `from None`: the parser quotes the place, and with it the caller's data.
        raise BadInput("the request is not JSON as the protocol has it") from None
    if not isinstance(request, dict):
        raise BadInput("the request must be a JSON object")
    return request


def _refuse_constant(_: str) -> float:
    raise BadInput("NaN and infinities are not accepted by this model")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise BadInput("an object of the request holds one name twice")
    return result


def _list(holder: Mapping[str, Any], name: str, limits: Limits) -> list[Mapping[str, Any]]:
    items = holder.get(name)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise BadInput(f"{name!r} must be a list of objects")
    if len(items) > limits.tensors:
        raise BadInput(f"{name!r} holds more than {limits.tensors} entries")
    return items


def _parameters(
    holder: Mapping[str, Any], known: frozenset[str], where: str
) -> Mapping[str, Any]:
    """The parameters; an unknown one is refused: ignoring it would answer another question."""
    parameters = holder.get("parameters", {})
    if not isinstance(parameters, dict) or not set(parameters) <= known:
        names = ", ".join(sorted(known))
        raise BadInput(f"unknown parameter on {where}; known are: {names}")
    return parameters


def _flag(parameters: Mapping[str, Any], name: str, default: bool = False) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise BadInput(f"parameter {name!r} must be true or false")
    return value


def _identifier(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > _LONGEST_ID:
        raise BadInput(f"'id' must be a string of at most {_LONGEST_ID} characters")
    return value


def _subject(value: object) -> SubjectId | None:
    """Pseudonyms only: a patient's own number must not reach a log."""
    if value is None:
        return None
    try:
        return SubjectId.parse(value if isinstance(value, str) else "")
    except BadInput as error:
        raise BadInput("parameter 'subject' must be a pseudonym: sub_…") from error


def _wanted(
    request: Mapping[str, Any], model: LoadedModel, binary: bool, limits: Limits
) -> tuple[Wanted, ...]:
    if not request.get("outputs"):
        return tuple([Wanted(port, binary) for port in model.outputs])
    ports = {port.spec.name: port for port in model.outputs}
    wanted = []
    for item in _list(request, "outputs", limits):
        port = ports.pop(item["name"], None) if isinstance(item.get("name"), str) else None
        if port is None:
            names = ", ".join(port.spec.name for port in model.outputs)
            raise BadInput(f"an output is asked for twice or unknown; the model has: {names}")
        parameters = _parameters(item, _OUTPUT, "an output")
        wanted.append(Wanted(port, _flag(parameters, "binary_data", binary)))
    return tuple(wanted)


class _Inputs:
    """Matches the inputs of a request with those of the model, in the model's order."""

    def __init__(self, model: LoadedModel, limits: Limits, binary: memoryview) -> None:
        self.model = model
        self.limits = limits
        self.binary = binary

    def read(self, items: list[Mapping[str, Any]]) -> tuple[Tensor, ...]:
        ports = {port.spec.name: port for port in self.model.inputs}
        names = [item.get("name") for item in items]
        if len(items) != len(ports) or any(names.count(name) != 1 for name in ports):
            expected = ", ".join(ports)
            raise BadInput(f"the model takes these inputs, each once: {expected}")
        tensors = {item["name"]: self._tensor(ports[item["name"]], item) for item in items}
        if len(self.binary):
            raise BadInput("binary data is left over behind the last tensor")
        ordered = tuple([tensors[name] for name in ports])
        check_shared_sizes(self.model.inputs, ordered)
        return ordered

    def _tensor(self, port: Port, item: Mapping[str, Any]) -> Tensor:
        limit = self.limits.tensor_elements
        shape = port.check(item.get("datatype"), item.get("shape"), limit)
        parameters = _parameters(item, _INPUT, "an input")
        if "binary_data_size" in parameters:
            if "data" in item:
                raise BadInput(f"input {port.spec.name!r} comes as JSON and as binary data")
            tensor = from_binary(port, shape, self._take(parameters["binary_data_size"]))
        else:
            tensor = from_json(port, shape, item.get("data"))
        if not self.model.execution.allow_nonfinite and not is_finite(tensor):
            raise BadInput(f"input {port.spec.name!r} holds NaN or an infinity")
        return tensor

    def _take(self, size: object) -> memoryview:
        """The next ``size`` bytes; tensors lie in the order of the request's inputs."""
        if type(size) is not int or not 0 <= size <= len(self.binary):
            raise BadInput("binary_data_size is not within the body")
        taken, self.binary = self.binary[:size], self.binary[size:]
        return taken
