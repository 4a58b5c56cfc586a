"""One owner's key, sealed under an epoch KEK; and object keys, wrapped under an owner's key."""

from __future__ import annotations

import hmac
import os
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cloister.core.errors import Tampered
from cloister.core.values import KeyRef
from cloister.keys._pack import pack, unpack

_ROW, _WRAP = b"cloister key-row v1", b"cloister key-wrap v1"
_V1 = b"\x01"
_MAC_SIZE = 16


@dataclass(frozen=True, slots=True)
class Secret:
    """What a row holds."""

    key: bytes = field(repr=False)
    identity: tuple[str, str] | None = field(repr=False)
    """(issuer, local id) of a subject; None for whatever else owns a key."""


class EpochSealer:
    """Seals rows and makes lookup MACs under the KEK of one epoch."""

    def __init__(self, epoch: int, kek: bytes) -> None:
        self.epoch = epoch
        keys = HKDF(SHA256(), 64, None, b"cloister epoch v1").derive(kek)
        self._cipher = AESGCM(keys[:32])
        self._mac_key = keys[32:]
        self._mark = _ROW + epoch.to_bytes(8, "big")

    def seal(self, owner: str, secret: Secret) -> bytes:
        """The row of ``owner``: opens under this epoch and for this owner only."""
        plain = pack((secret.key, secret.identity))
        nonce = os.urandom(12)
        return _V1 + nonce + self._cipher.encrypt(nonce, plain, self._mark + owner.encode())

    def open(self, owner: str, sealed: bytes) -> Secret:
        """What `seal` sealed; raises Tampered."""
        if sealed[:1] != _V1:
            raise Tampered(f"key store: the row of {owner} is not of version 1")
        try:
            plain = self._cipher.decrypt(sealed[1:13], sealed[13:], self._mark + owner.encode())
        except (InvalidTag, ValueError) as error:
            raise Tampered(f"key store: the row of {owner} fails authentication") from error
        key, identity = unpack(plain)
        return Secret(key, None if identity is None else (identity[0], identity[1]))

    def opens(self, owner: str, sealed: bytes) -> bool:
        """Whether a row, of any key store, is sealed under this epoch's KEK."""
        try:
            self.open(owner, sealed)
        except Tampered:
            return False
        return True

    def mac(self, identity: tuple[str, str]) -> bytes:
        """What finds an identity in the index: keyed, so a list of names confirms nothing."""
        issuer, local_id = (part.encode("utf-8", "surrogatepass") for part in identity)
        message = len(issuer).to_bytes(4, "big") + issuer + local_id
        return hmac.digest(self._mac_key, message, "sha256")[:_MAC_SIZE]


class OwnerKey:
    """One owner's key at work."""

    __slots__ = ("_cipher", "_fingerprint_key", "_mark", "owner")

    def __init__(self, owner: str, key: bytes) -> None:
        self.owner = owner
        keys = HKDF(SHA256(), 64, None, b"cloister owner v1").derive(key)
        self._cipher = AESGCM(keys[:32])
        self._fingerprint_key = keys[32:]
        self._mark = owner.encode()

    def wrap(self, object_key: bytes, seal_id: bytes, nonce: bytes) -> bytes:
        """The object key as it may be stored anywhere (docs/formats/sealed-object.md)."""
        sealed = self._cipher.encrypt(nonce, object_key, _WRAP + seal_id + self._mark)
        return _V1 + nonce + sealed

    def unwrap(self, ref: KeyRef) -> bytes:
        """The object key in a wrap; raises Tampered."""
        wrap = ref.wrap
        if len(wrap) != 61 or wrap[:1] != _V1 or len(ref.seal_id) != 16:
            raise Tampered(f"key wrap of seal {ref.seal_id.hex()}: not a version 1 wrap")
        try:
            return self._cipher.decrypt(wrap[1:13], wrap[13:], _WRAP + ref.seal_id + self._mark)
        except InvalidTag as error:
            raise Tampered(
                f"key wrap of seal {ref.seal_id.hex()} under {self.owner}: fails authentication"
            ) from error

    def seal(self, name: str, content: bytes) -> bytes:
        """Something else of the owner's: the service's own private keys."""
        nonce = os.urandom(12)
        aad = b"cloister service-key v1" + name.encode()
        return _V1 + nonce + self._cipher.encrypt(nonce, content, aad)

    def open(self, name: str, sealed: bytes) -> bytes:
        """What `seal` sealed; raises Tampered."""
        try:
            aad = b"cloister service-key v1" + name.encode()
            return self._cipher.decrypt(sealed[1:13], sealed[13:], aad)
        except (InvalidTag, ValueError) as error:
            raise Tampered(f"key store: the service key {name} fails authentication") from error

    def fingerprint(self, sha256: bytes) -> bytes:
        """What finds a duplicate among this owner's objects; dies with the owner's key."""
        return hmac.digest(self._fingerprint_key, sha256, "sha256")[:_MAC_SIZE]
