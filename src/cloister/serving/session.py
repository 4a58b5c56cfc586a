"""A model loaded for answering: verified, inspected, and only then shown to the runtime."""

from __future__ import annotations

import hashlib
import hmac
import importlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from cloister.core.errors import BadInput, NotVerified
from cloister.models.onnx import ModelSpec, TensorSpec, inspect
from cloister.serving._extra import load
from cloister.serving.datatypes import DATATYPES
from cloister.serving.tensors import Array, Port, Tensor
from cloister.serving.values import Execution, Served, VerifiedModel

_SILENT = 4  # the runtime's messages quote input values


def runtime() -> ModuleType:
    """ONNX Runtime, with its telemetry off before its first instruction runs.

    Official Linux builds keep a device id and report to their maker by default; only this
    variable, set before the library initialises, stops the uploader itself (Privacy.md).
    """
    os.putenv("ORT_DISABLE_TELEMETRY", "1")
    library = load("onnxruntime")
    library.disable_telemetry_events()
    library.set_default_logger_severity(_SILENT)
    return library


class Patience:
    """Lets another thread end one computation, at the next operator."""

    def __init__(self) -> None:
        self.options: Any = runtime().RunOptions()

    def end(self) -> None:
        """The computation that was given this stops soon."""
        self.options.terminate = True


@dataclass(frozen=True, slots=True, eq=False)
class LoadedModel:
    """Answers questions with one model; made by `load`, used by any number of threads."""

    verified: VerifiedModel
    served: Served
    execution: Execution
    spec: ModelSpec
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    session: Any
    """The runtime's own handle."""

    @classmethod
    def load(
        cls, verified: VerifiedModel, served: Served, execution: Execution | None = None
    ) -> LoadedModel:
        """The model, ready to answer.

        Raises NotVerified if the content is not what the statement names, BadInput if it is
        not a model that can be served, or if the ``serve`` extra is not installed.
        """
        execution = execution or Execution()
        _check_digest(verified)
        spec = inspect(verified.content)
        inputs, outputs = tuple(map(Port.of, spec.inputs)), tuple(map(Port.of, spec.outputs))
        session = _session(verified.content, execution)
        _agree(spec.inputs, session.get_inputs())
        _agree(spec.outputs, session.get_outputs())
        return cls(verified, served, execution, spec, inputs, outputs, session)

    def run(
        self,
        questions: Sequence[Tensor],
        wanted: Sequence[Port],
        patience: Patience | None = None,
    ) -> list[Tensor]:
        """What the model answers, in order of ``wanted``.

        Raises BadInput if it cannot, or not before ``patience`` ends.
        """
        feed: Mapping[str, Array] = {tensor.name: tensor.array for tensor in questions}
        names = [port.spec.name for port in wanted]
        try:
            arrays = self.session.run(names, feed, patience and patience.options)
        except _failures() as error:
            kind = type(error).__name__
            # `from None`: the runtime quotes values of the input in its message.
            raise BadInput(f"the model cannot answer this input ({kind})") from None
        return [_tensor(port, array) for port, array in zip(wanted, arrays, strict=True)]


def _check_digest(verified: VerifiedModel) -> None:
    actual = hashlib.sha256(verified.content).hexdigest()
    if not hmac.compare_digest(actual.encode(), verified.sha256.encode()):
        raise NotVerified(
            "the model is not the one that was signed: "
            f"expected sha256 {verified.sha256[:12]}…, found {actual[:12]}…",
            hint="restore the signed file, or train and sign again",
        )


def _tensor(port: Port, array: Array) -> Tensor:
    words = port.datatype.name == "BYTES" and array.dtype.kind in "OUS"
    if not words and array.dtype != port.datatype.numpy:
        raise BadInput(f"output {port.spec.name!r} is not what the model declares")
    return Tensor(port.spec.name, port.datatype, array)


def _session(content: bytes, execution: Execution) -> Any:
    library = runtime()
    options = library.SessionOptions()
    options.log_severity_level = _SILENT
    options.execution_mode = library.ExecutionMode.ORT_SEQUENTIAL
    options.inter_op_num_threads = 1
    options.intra_op_num_threads = execution.threads
    options.use_deterministic_compute = True
    options.enable_cpu_mem_arena = False  # inputs of one size must not hold memory for ever
    # The runtime would also take its own flatbuffer format, which inspect() cannot read.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return library.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except _failures() as error:
        raise BadInput(
            f"the runtime cannot load this model ({type(error).__name__})",
            hint="onnx.checker.check_model(path, full_check=True) names the operator",
        ) from None


def _agree(specs: Sequence[TensorSpec], arguments: Sequence[Any]) -> None:
    """Two readers of one file must see the same model, or one of them is being misled."""
    ours = [(spec.name, spec.dtype) for spec in specs]
    theirs = [(argument.name, _ONNX_TYPES.get(argument.type)) for argument in arguments]
    if ours != theirs:
        raise BadInput("the runtime reads other inputs or outputs in this file than we do")


_RUNTIME_NAMES = {"float32": "float", "float64": "double"}
_ONNX_TYPES = {f"tensor({_RUNTIME_NAMES.get(name, name)})": name for name in DATATYPES}


def _failures() -> tuple[type[Exception], ...]:
    """Everything the runtime raises of itself."""
    state = importlib.import_module("onnxruntime.capi.onnxruntime_pybind11_state")
    own = [
        getattr(state, name) for name in dir(state) if isinstance(getattr(state, name), type)
    ]
    return (*(kind for kind in own if issubclass(kind, Exception)), RuntimeError, ValueError)
