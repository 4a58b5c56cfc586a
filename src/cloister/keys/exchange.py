"""A key that two processes make together for one connection: it crosses no wire and no disk."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cloister.core.errors import Tampered

_INFO = b"cloister/exchange/1"


class Exchange:
    """One end of an agreement (X25519, RFC 7748), for one use.

    Who the other end is, it does not say: whoever carries the public halves answers for that.
    """

    def __init__(self) -> None:
        self._private = X25519PrivateKey.generate()
        self.public = self._private.public_key().public_bytes_raw()

    def agree(self, theirs: bytes) -> bytes:
        """The key, 32 bytes, the same at both ends; raises Tampered for no public half."""
        try:
            shared = self._private.exchange(X25519PublicKey.from_public_bytes(theirs))
        except ValueError as error:
            raise Tampered("what came for a key is none") from error
        # Both halves are part of it (RFC 7748 6.1), in an order that both ends know.
        info = _INFO + b"".join(sorted((self.public, theirs)))
        return HKDF(SHA256(), 32, None, info).derive(shared)
