"""Checks signatures; private keys stay in the key service."""

from __future__ import annotations

from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cloister.core.errors import NotVerified
from cloister.core.signing import PublicKey


def verify(key: PublicKey, message: bytes, signature: bytes) -> None:
    """Returns if ``signature`` is the key's Ed25519 signature (RFC 8032) of ``message``.

    Raises NotVerified otherwise; a core `Verifier`.
    """
    try:
        _loaded(key.raw).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise NotVerified(f"signature by {key.name}: does not verify") from error


@lru_cache(maxsize=64)
def _loaded(raw: bytes) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(raw)
