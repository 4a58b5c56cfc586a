"""One address of the interface: where it is, and what answers there."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cloister.web.mlflow.codec import Message
from cloister.workflows.tracking.recording import Pending
from cloister.workflows.tracking.visit import Visit


@dataclass(frozen=True, slots=True)
class Call:
    """One request, once it is known who asks and what."""

    visit: Visit
    fields: Message
    """The query of a GET, the body of anything else."""
    path: Mapping[str, str] = field(default_factory=dict)
    """What stood in the address where the endpoint has a ``{name}``."""
    body: Iterable[bytes] = ()
    """Of an endpoint that takes a stream: what is sent, as it comes."""
    size_bytes: int = 0
    """How long that is said to be; 0 where it is not said."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Of the request; names in any case."""
    scheme: str = ""
    """What it came over: ``http`` or ``https``."""

    @property
    def origin(self) -> str:
        """How this server is addressed, as the caller does: ``https://127.0.0.1:8443``."""
        return f"{self.scheme}://{self.headers.get('host', '')}"


@dataclass(frozen=True, slots=True)
class Protobuf:
    """An answer in protocol buffers."""

    body: bytes = b""
    """Empty: a message that has no fields."""


@dataclass(frozen=True, slots=True)
class Streamed:
    """An answer that is sent as it is made; ``chunks`` is closed whatever happens."""

    size_bytes: int
    chunks: Generator[bytes]


def _nothing(_: object) -> None:
    """What is sent back where nothing is told."""


@dataclass(frozen=True, slots=True)
class Deferred:
    """An answer that waits until something is on record."""

    pending: Pending[Any]
    told: Callable[[Any], object] = _nothing
    """What is sent back, as JSON, of what was recorded."""


Handler = Callable[[Call], object]
"""Gives what is sent back as JSON, or Streamed, or Deferred. Runs in a thread, beside others.
Raises Refusal, or an error of the tree, told in MLflow's shape. What it acknowledges is
durable."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address that is answered."""

    method: str
    path: str
    """Below ``/api`` and ``/ajax-api``: ``/2.0/mlflow/runs/get``; ``{name}`` is one segment,
    ``{name:path}`` is all that follows."""
    handler: Handler
    takes_stream: bool = False
    """Its body is a file: given to the handler as it comes, whatever its size."""
    takes_bytes: bool = False
    """Its body is not JSON, or not always: given to the handler whole, with the headers."""
    gathers: bool = False
    """Small requests to it are answered together: its handler is quick, and gives Deferred."""
