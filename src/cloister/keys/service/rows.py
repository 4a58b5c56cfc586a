"""One owner's key sealed under an epoch KEK, and what is kept under an owner's key.

Formats: docs/formats/key-store.md; wraps: docs/formats/sealed-object.md.
"""

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
from cloister.keys._secret import wipe

KEY_SIZE = 32

_ROW, _WRAP, _SERVICE = (
    b"cloister key-row v1",
    b"cloister key-wrap v1",
    b"cloister service-key v1",
)
_V1 = b"\x01"
_NONCE, _TAG = 12, 16
_WRAP_SIZE = 1 + _NONCE + KEY_SIZE + _TAG
_MAC_SIZE = 16

Identity = tuple[str, str]
"""(issuer, local id)."""


@dataclass(frozen=True, slots=True)
class Secret:
    """What a row holds; whoever opened it wipes the key."""

    key: bytearray = field(repr=False)
    identity: Identity | None = field(repr=False)
    """None for whatever is not a subject, or not yet known by name."""


class EpochSealer:
    """Seals rows and makes lookup MACs under the KEK of one epoch."""

    def __init__(self, epoch: int, kek: bytearray) -> None:
        self.epoch = epoch
        self._mark = _ROW + epoch.to_bytes(8, "big")
        row_key, self._mac_key = _derived(kek, b"cloister epoch v1")
        self._cipher = AESGCM(row_key)
        wipe(row_key)

    def seal(self, owner: str, secret: Secret) -> bytes:
        """The row of ``owner``: opens under this epoch and for this owner only."""
        return self._seal(owner, secret.key + _encoded(secret.identity))

    def open(self, owner: str, sealed: bytes) -> Secret:
        """What `seal` sealed; raises Tampered."""
        plain = self._open(owner, sealed)
        secret = Secret(plain[:KEY_SIZE], _decoded(bytes(memoryview(plain)[KEY_SIZE:])))
        wipe(plain)
        return secret

    def opens(self, owner: str, sealed: bytes) -> bool:
        """Whether a row, of any key store, is sealed under this epoch's KEK."""
        try:
            wipe(self._open(owner, sealed))
        except Tampered:
            return False
        return True

    def reseal(self, owner: str, sealed: bytes, new: EpochSealer) -> tuple[bytes, bytes | None]:
        """The same row and its lookup MAC under the KEK of another epoch; raises Tampered."""
        plain = self._open(owner, sealed)
        identity = bytes(memoryview(plain)[KEY_SIZE:])
        return new._seal(owner, plain), new._mac(identity) if identity else None

    def mac(self, identity: Identity) -> bytes:
        """What finds an identity in the index: keyed, so a list of names confirms nothing."""
        return self._mac(_encoded(identity))

    def wipe(self) -> None:
        """Forgets the KEK; the sealer is of no use afterwards, not even by mistake."""
        wipe(self._mac_key)
        del self._cipher, self._mac_key

    def _seal(self, owner: str, plain: bytearray) -> bytes:
        nonce = os.urandom(_NONCE)
        sealed = self._cipher.encrypt(nonce, plain, self._mark + owner.encode())
        wipe(plain)
        return _V1 + nonce + sealed

    def _open(self, owner: str, sealed: bytes) -> bytearray:
        at = 1 + _NONCE
        if sealed[:1] != _V1 or len(sealed) < at + KEY_SIZE + _TAG:
            raise Tampered(f"key store: the row of {owner} is not of version 1")
        plain, mark = bytearray(len(sealed) - at - _TAG), self._mark + owner.encode()
        try:
            self._cipher.decrypt_into(sealed[1:at], memoryview(sealed)[at:], mark, plain)
        except InvalidTag as error:
            raise Tampered(f"key store: the row of {owner} fails authentication") from error
        return plain

    def _mac(self, identity: bytes) -> bytes:
        return hmac.digest(self._mac_key, identity, "sha256")[:_MAC_SIZE]


class OwnerKey:
    """One owner's key at work."""

    # No cipher is kept: a cached one takes ten times the memory, and a new one a microsecond.
    __slots__ = ("_fingerprint_key", "_mark", "_wrapping_key", "owner")

    def __init__(self, owner: str, key: bytearray) -> None:
        self.owner = owner
        self._mark = owner.encode()
        self._wrapping_key, self._fingerprint_key = _derived(key, b"cloister owner v1")

    def wrap(self, object_key: bytes, seal_id: bytes, nonce: bytes) -> bytes:
        """The object key as it may be stored anywhere."""
        aad = _WRAP + seal_id + self._mark
        return _V1 + nonce + AESGCM(self._wrapping_key).encrypt(nonce, object_key, aad)

    def unwrap(self, ref: KeyRef) -> bytes:
        """The object key in a wrap; raises Tampered."""
        wrap = ref.wrap
        if len(wrap) != _WRAP_SIZE or wrap[:1] != _V1 or len(ref.seal_id) != 16:
            raise Tampered(f"key wrap of seal {ref.seal_id.hex()}: not a version 1 wrap")
        try:
            aad = _WRAP + ref.seal_id + self._mark
            return AESGCM(self._wrapping_key).decrypt(wrap[1:13], wrap[13:], aad)
        except InvalidTag as error:
            raise Tampered(
                f"key wrap of seal {ref.seal_id.hex()} under {self.owner}: fails authentication"
            ) from error

    def seal(self, name: str, content: bytes) -> bytes:
        """Something else of the owner's: the service's own private keys."""
        nonce, aad = os.urandom(_NONCE), _SERVICE + name.encode()
        return _V1 + nonce + AESGCM(self._wrapping_key).encrypt(nonce, content, aad)

    def open(self, name: str, sealed: bytes) -> bytes:
        """What `seal` sealed; raises Tampered."""
        try:
            aad = _SERVICE + name.encode()
            return AESGCM(self._wrapping_key).decrypt(sealed[1:13], sealed[13:], aad)
        except (InvalidTag, ValueError) as error:
            raise Tampered(f"key store: the service key {name} fails authentication") from error

    def fingerprint(self, sha256: bytes) -> bytes:
        """What finds a duplicate among this owner's objects; dies with the owner's key."""
        return hmac.digest(self._fingerprint_key, sha256, "sha256")[:_MAC_SIZE]

    def wipe(self) -> None:
        """Forgets the key; the object is of no use afterwards, not even by mistake."""
        wipe(self._wrapping_key, self._fingerprint_key)
        del self._wrapping_key, self._fingerprint_key  # zeros must never pass for a key


def _derived(key: bytearray, purpose: bytes) -> tuple[bytearray, bytearray]:
    """Two keys from one (RFC 5869)."""
    okm = bytearray(2 * KEY_SIZE)
    HKDF(SHA256(), len(okm), None, purpose).derive_into(key, okm)
    halves = okm[:KEY_SIZE], okm[KEY_SIZE:]
    wipe(okm)
    return halves


def _encoded(identity: Identity | None) -> bytes:
    """Nothing, or both texts with the issuer's length in front; lone surrogates pass."""
    if identity is None:
        return b""
    issuer, local_id = (part.encode("utf-8", "surrogatepass") for part in identity)
    return len(issuer).to_bytes(4, "big") + issuer + local_id


def _decoded(raw: bytes) -> Identity | None:
    if not raw:
        return None
    at = 4 + int.from_bytes(raw[:4], "big")
    return raw[4:at].decode("utf-8", "surrogatepass"), raw[at:].decode("utf-8", "surrogatepass")
