"""What a run left, sealed under the run's own key: files, log, code, environment."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from cloister.core.commitment import SALT_BYTES, Opening
from cloister.core.errors import BadInput
from cloister.core.events import Event
from cloister.core.ids import RunId
from cloister.core.values import KeyGrant
from cloister.datasets import meta
from cloister.datasets.meta import RecordMeta
from cloister.keys.seal import seal, seal_field, seal_stream
from cloister.keys.values import GrantRequest
from cloister.models.onnx import ModelSpec, TensorSpec, inspect
from cloister.runs.history import RunOutput
from cloister.store import ObjectWriter, Placement
from cloister.workflows.lab import Act

INLINE = 64 << 20
"""A larger file is sealed as a stream."""
_MODEL_SUFFIXES = (".onnx", ".pkl", ".pickle", ".joblib", ".pt", ".pth", ".h5", ".keras")


@dataclass(frozen=True, slots=True)
class Kept:
    """One thing that was kept, before it has a place in the ledger."""

    path: str = field(repr=False)
    kind: str
    size_bytes: int
    sha256: str
    object: str
    body: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A kept file that may be served, or why it may not."""

    kept: Kept
    spec: dict[str, Any] | None
    refusal: str | None


@dataclass(slots=True)
class Keeper:
    """Seals a run's outputs as they come; nothing is visible until the end is recorded."""

    act: Act
    run: RunId
    writer: ObjectWriter
    kept: list[Kept] = field(default_factory=list)
    models: list[FoundModel] = field(default_factory=list)

    def keep(self, path: str, kind: str, content: bytes) -> Kept:
        """Seals bytes that are at hand."""
        grant = self._grant()
        name = self.writer.add(seal(content, grant))
        return self._keep(path, kind, grant, name, hashlib.sha256(content), len(content))

    def keep_stream(
        self, path: str, chunks: Iterable[bytes], size_bytes: int, kind: str = "output"
    ) -> Kept:
        """Seals a file too large to hold; what ``chunks`` raises passes through."""
        grant, digest, counted = self._grant(), hashlib.sha256(), [0]

        def tee() -> Iterator[bytes]:
            for chunk in chunks:
                digest.update(chunk)
                counted[0] += len(chunk)
                yield chunk

        name = self.writer.add_stream(seal_stream(tee(), grant), size_bytes)
        return self._keep(path, kind, grant, name, digest, counted[0])

    def consider_model(self, kept: Kept, content: bytes) -> None:
        """Notes whether an output is a model, by its bytes; by its name only to say why not."""
        try:
            spec = _spec(inspect(content))
        except BadInput as error:
            if kept.path.lower().endswith(_MODEL_SUFFIXES):
                self.models.append(FoundModel(kept, None, error.message))
            return
        self.models.append(FoundModel(kept, spec, None))

    def events(self) -> list[Event]:
        """An event per output, models after the outputs they are."""
        return [self.act.event("run.output", kept.body) for kept in self.kept]

    def placements(self) -> Sequence[Placement]:
        """Where the bytes lie; durable from now on."""
        return self.writer.flush()

    def _grant(self) -> KeyGrant:
        return self.act.lab.keys.grants([GrantRequest(self.run)])[0].key

    def _keep(
        self, path: str, kind: str, grant: KeyGrant, name: str, digest: hashlib._Hash, size: int
    ) -> Kept:
        opening = Opening(self.act.lab.randomness(SALT_BYTES), digest.digest())
        plain = RecordMeta(path, opening)
        sealed = seal_field(grant.object_key, meta.PURPOSE, plain.encode(), name.encode())
        output = RunOutput(
            0,
            self.run,
            kind,
            name,
            size,
            grant.seal_id,
            grant.wrap,
            sealed,
            opening.commitment(),
        )
        kept = Kept(path, kind, size, digest.hexdigest(), name, output.body())
        self.kept.append(kept)
        return kept


def _spec(spec: ModelSpec) -> dict[str, Any]:
    """A model's inputs and outputs as the ledger keeps them."""
    return {
        "inputs": [_tensor(tensor) for tensor in spec.inputs],
        "outputs": [_tensor(tensor) for tensor in spec.outputs],
    }


def _tensor(tensor: TensorSpec) -> dict[str, Any]:
    shape = None if tensor.shape is None else list(tensor.shape)
    return {"dtype": tensor.dtype, "name": tensor.name, "shape": shape}
