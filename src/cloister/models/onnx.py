"""Reads what an ONNX model takes and gives, and refuses one that reaches outside its file.

The file is inspected as bytes, before any runtime sees it: no protobuf library, no ``onnx``
package. What passes holds standard operators only, keeps all weights inside, and is no larger
once its functions are expanded than it claims. Source: onnx.proto (IR version 14).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from cloister.core.errors import BadInput
from cloister.models._scan import MOST_FIELDS, Operator, Scan, Scanner, decode_name
from cloister.models._schema import ELEMENT_TYPES, SCHEMAS
from cloister.models._wire import Budget, Found, read_fields
from cloister.models.formats import ModelFormat, recognise

STANDARD_DOMAINS = frozenset({"", "ai.onnx.ml"})
LARGEST_BYTES = 2**31 - 1  # protobuf holds no more in one message
MOST_OPERATORS = 1_000_000

Dimension = int | str | None
"""A size, the name of one that the caller chooses, or one that is not said."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output of a model."""

    name: str
    dtype: str
    """As NumPy names it: ``float32``, ``int64``, ``string``."""
    shape: tuple[Dimension, ...] | None
    """None: even the number of dimensions is free."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What an ONNX file says of itself; all of it is the producer's word but the operators."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    opset: Mapping[str, int]
    """Operator domain -> version; the standard domain is the empty string."""
    ir_version: int
    producer: str
    operators: int
    """Nodes once every function is expanded."""
    functions: int
    remarks: tuple[str, ...]
    """What an owner should know before the model leaves the house; plain sentences."""


def inspect(model: bytes) -> ModelSpec:
    """What ``model`` takes and gives.

    Raises BadInput for anything but an ONNX model that stands on its own: another format,
    weights kept outside the file, operators of another domain, inputs or outputs that are
    not tensors, and files that are cut off, ambiguous or built to exhaust a reader.
    """
    if recognise(model) is not ModelFormat.ONNX:
        raise BadInput(
            "safetensors holds weights without the computation, so it cannot be served",
            hint="export the model to ONNX, with its weights inside",
        )
    if len(model) > LARGEST_BYTES:
        raise BadInput("the model is larger than 2 GiB, the most one ONNX file can hold")
    budget = Budget(MOST_FIELDS)
    scan = Scanner(model, budget).run()
    values = _Values(model, budget)
    inputs = map(values.read, scan.inputs)
    return ModelSpec(
        # An input that has an initializer is a default, not a question to the caller.
        inputs=tuple([spec for spec in inputs if spec.name not in scan.initializers]),
        outputs=tuple(map(values.read, scan.outputs)),
        opset=scan.opsets,
        ir_version=scan.ir_version,
        producer=scan.producer,
        operators=_expanded(scan),
        functions=len(scan.functions),
        remarks=_remarks(scan),
    )


def _expanded(scan: Scan) -> int:
    """Nodes with all functions expanded; raises BadInput for unknown or endless operators."""
    callees = {owner: _functions_used(uses, scan) for owner, uses in scan.calls.items()}
    sizes: dict[Operator, int] = {}
    try:
        for owner in TopologicalSorter(callees).static_order():
            uses = scan.calls[owner]
            size = sum(count * sizes.get(operator, 1) for operator, count in uses.items())
            sizes[owner] = min(size, MOST_OPERATORS + 1)
    except CycleError as error:
        raise BadInput("not a servable model: a function of it calls itself") from error
    if max(sizes.values()) > MOST_OPERATORS:
        raise BadInput("not a servable model: it has more operators than any real one")
    return sizes["", ""]


def _functions_used(uses: Counter[Operator], scan: Scan) -> set[Operator]:
    used = set()
    for operator in uses:
        if operator in scan.functions:
            used.add(operator)
        elif operator[0] not in STANDARD_DOMAINS:
            raise BadInput(
                "the model uses operators from outside the ONNX standard, "
                "which only foreign native code could run",
                hint="export it with standard operators (domains ai.onnx and ai.onnx.ml) only",
            )
    return used


def _remarks(scan: Scan) -> tuple[str, ...]:
    remarks = []
    if scan.metadata:
        remarks.append(f"metadata entries: {scan.metadata}")
    if scan.texts:
        remarks.append(f"descriptive texts: {scan.texts}")
    if scan.texts_with_path:
        remarks.append(
            f"texts that hold a file path: {scan.texts_with_path}; clear them before sharing"
        )
    return tuple(remarks)


class _Values:
    """Reads ValueInfo messages: name, element type, shape."""

    def __init__(self, data: bytes, budget: Budget) -> None:
        self.data = data
        self.budget = budget

    def read(self, place: tuple[int, int]) -> TensorSpec:
        """The input or output that lies at ``place``."""
        parts = self._message("Value", *place)
        name = decode_name(self.data, parts[1]) if 1 in parts else ""
        kinds = self._message("Type", parts[2].start, parts[2].end) if 2 in parts else {}
        if not name or 1 not in kinds:
            raise BadInput(
                "the model takes or gives something other than named tensors",
                hint="for scikit-learn classifiers: to_onnx(..., options={'zipmap': False})",
            )
        tensor = self._message("TensorType", kinds[1].start, kinds[1].end)
        dtype = ELEMENT_TYPES.get(tensor[1].value) if 1 in tensor else None
        if dtype is None:
            raise BadInput("not a servable model: an input or output has no known element type")
        return TensorSpec(name, dtype, self._shape(tensor[2]) if 2 in tensor else None)

    def _shape(self, shape: Found) -> tuple[Dimension, ...]:
        schema = SCHEMAS["Shape"]
        found = read_fields(self.data, shape.start, shape.end, schema, self.budget)
        return tuple([self._dimension(item) for item in found])

    def _dimension(self, dimension: Found) -> Dimension:
        parts = self._message("Dimension", dimension.start, dimension.end)
        if 1 in parts and 2 not in parts:
            size = parts[1].value
            # int64 on the wire; exporters write -1 or 0 for "not said"
            return size if 0 < size < 2**63 else None
        return (decode_name(self.data, parts[2]) or None) if 2 in parts else None

    def _message(self, kind: str, start: int, end: int) -> dict[int, Found]:
        fields = read_fields(self.data, start, end, SCHEMAS[kind], self.budget)
        return {found.field.number: found for found in fields}
