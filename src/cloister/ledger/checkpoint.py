"""Signed heads in the form of C2SP tlog-checkpoint, a C2SP signed note."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from cloister.core.errors import BadInput, NotVerified
from cloister.core.signing import PublicKey, Signer, Verifier
from cloister.ledger.proofs import EMPTY_ROOT


@dataclass(frozen=True, slots=True)
class Head:
    """What the log was at one moment."""

    origin: str
    """Which log: the name of its key."""
    size: int
    root: bytes
    note: str
    """The signed text; empty for a log that has no entry yet."""

    @classmethod
    def empty(cls, origin: str) -> Head:
        """The head of a log before its first entry: nothing to sign."""
        return cls(origin, 0, EMPTY_ROOT, "")


def sign_head(origin: str, size: int, root: bytes, signer: Signer) -> Head:
    """The head signed by the key named like the log; raises KeysUnavailable."""
    key = signer.public_key
    if key.name != origin or not origin or "\n" in origin or " " in origin:
        raise BadInput(f"a log is named like its key: expected {key.name!r}, found {origin!r}")
    body = f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"
    signature = base64.b64encode(key.key_hash + signer.sign(body.encode())).decode()
    return Head(origin, size, root, f"{body}\n— {key.name} {signature}\n")


def open_head(note: str, key: PublicKey, verify: Verifier) -> Head:
    """The head in ``note``; raises NotVerified unless ``key`` signed exactly this text.

    Lines of other keys, a witness's for one, are passed over as C2SP signed-note demands.
    """
    text, separator, signatures = note.rpartition("\n\n")
    if not separator:
        raise NotVerified("a ledger head has no signature")
    body = text + "\n"
    verify(key, body.encode(), _signature(signatures, key))
    origin, size, root = _fields(body)
    if origin != key.name:
        raise NotVerified(f"a head of another log: expected {key.name}, found {origin}")
    return Head(origin, size, root, note)


def _signature(lines: str, key: PublicKey) -> bytes:
    for line in lines.splitlines():
        mark, _, rest = line.partition(" ")
        name, _, encoded = rest.partition(" ")
        if mark != "—" or name != key.name:
            continue
        try:
            signature = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            continue
        if signature[:4] == key.key_hash and len(signature) == 68:
            return signature[4:]
    raise NotVerified(f"the ledger head is not signed by {key.name}")


def _fields(body: str) -> tuple[str, int, bytes]:
    try:
        origin, size_text, encoded, *extensions = body[:-1].split("\n")
        size, root = int(size_text), base64.b64decode(encoded, validate=True)
    except ValueError as error:
        raise NotVerified("a signed ledger head is not a checkpoint") from error
    if str(size) != size_text or size < 0 or len(root) != 32 or "" in extensions:
        raise NotVerified("a signed ledger head is not a checkpoint")
    return origin, size, root
