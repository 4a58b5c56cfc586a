"""Keys of results: what a call depends on, told apart by digests that nobody can guess from.

A digest of a value in the open would let whoever reads the ledger try out guesses; so all of
them are made with a secret of the lab, which is sealed like everything else.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgpack  # type: ignore[import-untyped]

from cloister.core.canonical import canonical
from cloister.core.encoding import to_text
from cloister.core.events import Transaction
from cloister.core.ids import CollectionId
from cloister.keys.seal import open_field, seal_field
from cloister.keys.values import GrantRequest
from cloister.pipelines import history
from cloister.pipelines.plan import PlannedTask, Step
from cloister.pipelines.values import DATASET, EITHER, LABELS, NODE, decode, encode
from cloister.workflows.lab import Act
from cloister.workflows.pipelines._values import Files
from cloister.workflows.unseal import open_keys

_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class Keying:
    """The lab's secret at work."""

    secret: bytes = field(repr=False)

    def of(self, content: bytes) -> str:
        """The keyed digest of bytes, hex."""
        plain = hashlib.sha256(content).digest()
        return hmac.new(self.secret, plain, hashlib.sha256).hexdigest()

    def of_value(self, value: bytes, files: Files) -> str:
        """Of what a call gave: the value, and the content of the files that it names."""
        if not files:
            return self.of(value)
        held = [
            [name, hashlib.sha256(content).hexdigest()] for name, content in sorted(set(files))
        ]
        return self.of(canonical([hashlib.sha256(value).hexdigest(), held]))

    def of_all(self, digests: list[str]) -> str:
        """One digest for many, in their order: of a mapped step, all of its results."""
        return self.of(canonical(digests))


def keying(act: Act) -> Keying:
    """The secret of this lab; made, sealed and put on record when it is first needed."""
    lab = act.lab
    found = lab.read(history.secret)
    if found is None:
        owner = lab.keys.new_owner(CollectionId)
        grant = lab.keys.grants([GrantRequest(owner)])[0].key
        fresh = lab.randomness(_SECRET_BYTES)
        sealed = seal_field(grant.object_key, history.SECRET, fresh, owner.encode())
        body = {
            "owner": owner,
            "seal": to_text(grant.seal_id),
            "secret": to_text(sealed),
            "wrap": to_text(grant.wrap),
        }

        def write(tx: Transaction) -> None:
            if history.secret(tx) is None:
                lab.ledger.append(tx, [act.event("cache.keyed", body)])

        lab.database.write(write)
        found = lab.read(history.secret)
    assert found is not None
    ref, sealed = found
    key = open_keys(lab, [ref])[ref.seal_id]
    return Keying(open_field(key, history.SECRET, sealed, ref.owner.encode()))


@dataclass(frozen=True, slots=True)
class _Stands:
    """A digest in the place of what it is of."""

    code: int
    digest: bytes


Digests = Callable[[int], str]
"""Step -> the keyed digest of its value."""


@dataclass(frozen=True, slots=True)
class Around:
    """What results depend on besides code and arguments."""

    environment: str
    """Digest of interpreter and installed packages."""
    versions: Mapping[str, str]
    """Reference -> the dataset version it means in this run, its part and its root."""


def components(
    keying: Keying,
    step: Step,
    task: PlannedTask,
    digests: Digests,
    around: Around,
) -> dict[str, Any]:
    """All that the result of a call depends on, but for its item; canonical JSON of digests."""
    versions = around.versions

    def found(code: int, data: bytes) -> Any:
        if code == NODE:
            return _Stands(NODE, digests(int(data)).encode())
        if code == EITHER:
            return _Stands(EITHER, ",".join(digests(n) for n in decode(data)).encode())
        if code in (DATASET, LABELS):
            return _Stands(code, versions[data.decode()].encode())
        return msgpack.ExtType(code, data)

    def special(value: Any) -> msgpack.ExtType | None:
        if isinstance(value, _Stands):
            return msgpack.ExtType(value.code, value.digest)
        return value if isinstance(value, msgpack.ExtType) else None

    given = decode(step.arguments, found)
    declared = task.settings.cache if isinstance(task.settings.cache, str) else ""
    return {
        "arguments": {name: keying.of(encode(value, special)) for name, value in given.items()},
        "code": task.code,
        "data": sorted(versions[one] for one in step.datasets),
        "declared": declared,
        "environment": around.environment,
        "task": task.name,
    }


def key_of(keying: Keying, parts: Mapping[str, Any]) -> str:
    """The key of a result."""
    return keying.of(canonical(parts))
