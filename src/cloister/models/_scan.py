"""Walks every message of an ONNX file once, and says what it found; no recursion, no copies."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from cloister.core.errors import BadInput
from cloister.models._schema import SCHEMAS
from cloister.models._wire import Budget, Found, read_fields

MOST_FIELDS = 2_000_000
DEEPEST = 90  # protobuf's own readers stop at 100
_MOST_NAMES = 10_000
_LONGEST_NAME = 1024
_PATH = re.compile(
    rb"(?:^|[\s\"'=(,:])(?:~?/[\w.@+-]+){2,}|\b[A-Za-z]:\\\w|\\\\\w+\\", re.ASCII
)
_MAIN = ("", "")

Operator = tuple[str, str]
"""Domain and type; the domain ``ai.onnx`` is spelled as its alias, the empty one."""


@dataclass(slots=True)
class Scan:
    """What one pass over the file gathered."""

    ir_version: int = 0
    producer: str = ""
    opsets: dict[str, int] = field(default_factory=dict)
    graphs: int = 0
    inputs: list[tuple[int, int]] = field(default_factory=list)
    outputs: list[tuple[int, int]] = field(default_factory=list)
    """Where the main graph's ValueInfo messages lie."""
    initializers: set[str] = field(default_factory=set)
    calls: dict[Operator, Counter[Operator]] = field(default_factory=dict)
    """Function -> how often it uses each operator; ``("", "")`` is the main graph."""
    functions: set[Operator] = field(default_factory=set)
    texts: int = 0
    texts_with_path: int = 0
    metadata: int = 0


@dataclass(frozen=True, slots=True)
class _Part:
    kind: str
    start: int
    end: int
    depth: int
    owner: Operator


class Scanner:
    """One pass over one file; raises BadInput for what must not be loaded."""

    def __init__(self, data: bytes, budget: Budget) -> None:
        self.data = data
        self.budget = budget
        self.scan = Scan(calls={_MAIN: Counter()})
        self.work: list[_Part] = []

    def run(self) -> Scan:
        """Everything found, once every byte is accounted for."""
        self.work.append(_Part("Model", 0, len(self.data), 1, _MAIN))
        while self.work:
            part = self.work.pop()
            visit = getattr(self, f"_visit_{part.kind.lower()}", self._visit_any)
            visit(part)
        return self.scan

    def _fields(self, part: _Part) -> Iterator[Found]:
        """The fields of ``part``; messages inside are queued, words looked at."""
        for found in self._read(part.kind, part.start, part.end):
            kind = found.field.message
            if kind == "text":
                self._read_text(found)
            elif kind:
                self._queue(kind, found, part)
            yield found

    def _read(self, kind: str, start: int, end: int) -> Iterator[Found]:
        return read_fields(self.data, start, end, SCHEMAS[kind], self.budget)

    def _queue(self, kind: str, found: Found, part: _Part) -> None:
        if part.depth >= DEEPEST:
            raise BadInput("not a servable model: its parts are nested too deeply")
        self.work.append(_Part(kind, found.start, found.end, part.depth + 1, part.owner))

    def _read_text(self, found: Found) -> None:
        if found.end > found.start:
            self.scan.texts += 1
            self.scan.texts_with_path += bool(_PATH.search(self.data[found.start : found.end]))

    def _name(self, found: Found) -> str:
        return decode_name(self.data, found)

    def _visit_any(self, part: _Part) -> None:
        for _ in self._fields(part):
            pass

    def _visit_model(self, part: _Part) -> None:
        version = ""
        for found in self._fields(part):
            match found.field.number:
                case 1:
                    self.scan.ir_version = found.value
                case 2:
                    self.scan.producer = self._name(found)
                case 3:
                    version = self._name(found)
                case 7:
                    self._read_main_graph(found)
                case 8:
                    self._read_opset(found)
                case 14:
                    self.scan.metadata += 1
                case 25:
                    self._read_function(found)
        self.scan.producer = f"{self.scan.producer} {version}".strip()

    def _read_main_graph(self, graph: Found) -> None:
        """Where inputs and outputs are, and which names have a value already."""
        self.scan.graphs += 1
        for found in self._read("Graph", graph.start, graph.end):
            match found.field.number:
                case 11:
                    self.scan.inputs.append((found.start, found.end))
                case 12:
                    self.scan.outputs.append((found.start, found.end))
                case 5:
                    self._read_initializer(found)
        if max(len(self.scan.inputs), len(self.scan.outputs)) > _MOST_NAMES:
            raise BadInput("not a servable model: it has too many inputs or outputs")

    def _read_initializer(self, tensor: Found) -> None:
        for found in self._read("Tensor", tensor.start, tensor.end):
            if found.field.number == 8:
                self.scan.initializers.add(self._name(found))

    def _read_opset(self, opset: Found) -> None:
        domain, version = "", 0
        for found in self._read("OperatorSet", opset.start, opset.end):
            if found.field.number == 1:
                domain = self._name(found)
            else:
                version = found.value
        self.scan.opsets[plain_domain(domain)] = version
        self._bound(len(self.scan.opsets))

    def _read_function(self, function: Found) -> None:
        """Gives the function, queued just now, its own name to count under."""
        domain = name = ""
        for found in self._read("Function", function.start, function.end):
            if found.field.number == 1:
                name = self._name(found)
            elif found.field.number == 10:
                domain = self._name(found)
        key = (plain_domain(domain), name)
        if not name or key in self.scan.functions:
            raise BadInput("not a servable model: a function is there twice, or has no name")
        self.scan.functions.add(key)
        self.scan.calls[key] = Counter()
        self._bound(len(self.scan.functions))
        self.work[-1] = replace(self.work[-1], owner=key)

    def _visit_node(self, part: _Part) -> None:
        domain = operator = ""
        for found in self._fields(part):
            if found.field.number == 4:
                operator = self._name(found)
            elif found.field.number == 7:
                domain = self._name(found)
        uses = self.scan.calls[part.owner]
        uses[plain_domain(domain), operator] += 1
        self._bound(len(uses))

    def _visit_tensor(self, part: _Part) -> None:
        for found in self._fields(part):
            outside = found.field.number == 14 and found.value != 0
            if outside or found.field.number == 13:
                raise BadInput(
                    "the model keeps weights outside its file, where no signature covers them",
                    hint="save it as one file: onnx.save(onnx.load(path), path)",
                )
            if found.field.number == 3:
                raise BadInput("not a servable model: a tensor of it is split into segments")

    def _bound(self, names: int) -> None:
        if names > _MOST_NAMES:
            raise BadInput("not a servable model: it names more operators than any real one")


def plain_domain(domain: str) -> str:
    """``domain`` with the standard one spelled as the empty string."""
    return "" if domain == "ai.onnx" else domain


def decode_name(data: bytes, found: Found) -> str:
    """A short UTF-8 name; raises BadInput for anything else."""
    if found.end - found.start > _LONGEST_NAME:
        raise BadInput("not a servable model: a name in it is too long")
    try:
        return data[found.start : found.end].decode()
    except UnicodeDecodeError as error:
        raise BadInput("not a servable model: a name in it is not UTF-8") from error
