"""Salted commitments: bind a plaintext in public without letting anyone guess it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cloister.core.ids import Randomness

_DOMAIN = b"cloister/commitment/v1\x00"
SALT_BYTES = 32


@dataclass(frozen=True, slots=True)
class Opening:
    """What opens a commitment: kept sealed, disclosed record by record."""

    salt: bytes
    plaintext_sha256: bytes

    def commitment(self) -> str:
        """SHA-256(domain || salt || SHA-256(plaintext)), hex: hiding while the salt is."""
        return hashlib.sha256(_DOMAIN + self.salt + self.plaintext_sha256).hexdigest()


def commit_to(plaintext: bytes, randomness: Randomness) -> Opening:
    """A fresh opening for ``plaintext``."""
    return Opening(randomness(SALT_BYTES), hashlib.sha256(plaintext).digest())
