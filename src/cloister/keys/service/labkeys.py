"""The lab's own keys: what signs its log and its statements, and its certificate authority."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloister.core.errors import BadInput, KeyMissing
from cloister.core.signing import PublicKey
from cloister.keys.service.keystore import KeyStore
from cloister.keys.service.rows import OwnerKey

SIGNING = ("log", "statement")
_CA = "ca"


@dataclass(frozen=True, slots=True)
class LabKeys:
    """Two Ed25519 signing keys and a P-256 authority, sealed under the service's own key."""

    lab: str
    signers: dict[str, Ed25519PrivateKey]
    ca_certificate: bytes
    """DER."""
    ca_key: bytes
    """PKCS #8 DER."""

    @classmethod
    def create(cls, store: KeyStore, owner: OwnerKey, lab: str, now: datetime) -> None:
        """Makes and keeps them, inside the caller's transaction."""
        from cloister.keys.service.authority import new_authority

        for name in SIGNING:
            key = Ed25519PrivateKey.generate()
            public = key.public_key().public_bytes_raw()
            store.add_service_key(name, public, owner.seal(name, key.private_bytes_raw()))
        certificate, private = new_authority(lab, now)
        store.add_service_key(_CA, certificate, owner.seal(_CA, private))

    @classmethod
    def load(cls, store: KeyStore, owner: OwnerKey, lab: str) -> Self:
        """Opens them; raises KeyMissing, Tampered."""
        signers = {}
        for name in SIGNING:
            _, private = _sealed(store, owner, name)
            signers[name] = Ed25519PrivateKey.from_private_bytes(private)
        certificate, ca_key = _sealed(store, owner, _CA)
        return cls(lab, signers, certificate, ca_key)

    def sign(self, purpose: str, message: bytes) -> bytes:
        """An Ed25519 signature (RFC 8032)."""
        if purpose not in self.signers:
            raise BadInput("sign: the purposes are log and statement")
        return self.signers[purpose].sign(message)

    def public_keys(self) -> dict[str, str]:
        """Verifier keys, one line each."""
        return {
            name: PublicKey(f"{self.lab}/{name}", key.public_key().public_bytes_raw()).text()
            for name, key in self.signers.items()
        }


def _sealed(store: KeyStore, owner: OwnerKey, name: str) -> tuple[bytes, bytes]:
    found = store.service_key(name)
    if found is None:
        raise KeyMissing(f"keystore.db: the lab's own key {name} is missing")
    return found[0], owner.open(name, found[1])
