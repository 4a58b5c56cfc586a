"""Who signs and who checks, as the layers below the keys see it."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Protocol, Self

from cloister.core.errors import BadInput

_ED25519 = b"\x01"  # C2SP signed-note: signature type of a plain Ed25519 key


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A named Ed25519 key, written as a C2SP signed-note verifier key."""

    name: str
    raw: bytes
    """32 bytes."""

    @property
    def key_hash(self) -> bytes:
        """The 4 bytes that mark this key's signature lines (C2SP signed-note)."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.raw).digest()[:4]

    def text(self) -> str:
        """The verifier key on one line."""
        encoded = base64.b64encode(_ED25519 + self.raw).decode()
        return f"{self.name}+{self.key_hash.hex()}+{encoded}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The key written in ``text``; raises BadInput if its parts disagree."""
        try:
            name, key_hash, encoded = text.strip().split("+", 2)
            raw = base64.b64decode(encoded, validate=True)
        except ValueError as error:
            raise BadInput("not a verifier key: expected name+hash+base64") from error
        key = cls(name, raw[1:])
        if raw[:1] != _ED25519 or len(raw) != 33 or key.key_hash.hex() != key_hash:
            raise BadInput("not an Ed25519 verifier key, or its hash does not match")
        return key


class Signer(Protocol):
    """Holds a private key, here or in another process."""

    @property
    def public_key(self) -> PublicKey:
        """What checks its signatures."""

    def sign(self, message: bytes) -> bytes:
        """An Ed25519 signature (RFC 8032), 64 bytes; raises KeysUnavailable."""


class Verifier(Protocol):
    """Checks a signature."""

    def __call__(self, key: PublicKey, message: bytes, signature: bytes, /) -> None:
        """Returns if it verifies; raises NotVerified otherwise."""
