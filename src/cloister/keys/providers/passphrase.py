"""The root key under a passphrase and for recovery (docs/formats/epoch-record.md)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cloister.core.errors import Tampered, WrongPassphrase
from cloister.keys._secret import wipe
from cloister.keys.values import ShareSet

SIZE = 512

_MAGIC, _BY_CODE, _BY_SHARES = b"CLRT", 1, 2
_START = struct.Struct(">4sB3x16s")
_SHARES = struct.Struct(">BBH4x")
_COST = struct.Struct(">III")
_SALT, _WRAP = 16, 12 + 32 + 16 + 32
_CONTENT = _START.size + _COST.size + 2 * (_SALT + _WRAP)
_MOST_MEMORY_KIB, _MOST_ITERATIONS, _MOST_LANES = 4 << 20, 1 << 12, 64


@dataclass(frozen=True, slots=True)
class Effort:
    """What one guess at a passphrase must cost on this machine, at least."""

    seconds: float = 0.5
    memory_kib: int = 256 << 10
    lanes: int = 4


@dataclass(frozen=True, slots=True)
class Cost:
    """How much work one guess at the passphrase takes (RFC 9106)."""

    iterations: int
    memory_kib: int
    lanes: int

    def derive(self, passphrase: bytes, salt: bytes) -> bytearray:
        """64 bytes: a wrapping key and a commitment to it."""
        derived = bytearray(64)
        Argon2id(
            salt=salt,
            length=len(derived),
            iterations=self.iterations,
            lanes=self.lanes,
            memory_cost=self.memory_kib,
        ).derive_into(passphrase, derived)
        return derived


@dataclass(frozen=True, slots=True)
class RootRecord:
    """The root key, wrapped twice."""

    root_id: bytes
    cost: Cost
    salt: bytes
    by_passphrase: bytes
    recovery_salt: bytes
    by_recovery: bytes
    shares: ShareSet | None = None
    """How the recovery secret was split; None where it is one code."""

    @classmethod
    def new(
        cls,
        root: bytearray,
        passphrase: bytes,
        recovery: bytes,
        effort: Effort,
        shares: ShareSet | None = None,
    ) -> Self:
        """Wraps ``root`` under both secrets; one guess costs ``effort`` here."""
        root_id = secrets.token_bytes(16)
        cost, salt, derived = calibrate(passphrase, effort)
        by_passphrase = _wrap(derived, root, _aad(root_id, cost, salt))
        bare = cls(root_id, cost, salt, by_passphrase, b"", b"")
        return bare.with_recovery(root, recovery, shares)

    def with_passphrase(self, root: bytearray, passphrase: bytes, effort: Effort) -> Self:
        """The same root under another passphrase; the recovery code stays."""
        cost, salt, derived = calibrate(passphrase, effort)
        wrap = _wrap(derived, root, _aad(self.root_id, cost, salt))
        return replace(self, cost=cost, salt=salt, by_passphrase=wrap)

    def with_recovery(self, root: bytearray, recovery: bytes, shares: ShareSet | None) -> Self:
        """The same root under another recovery secret; the passphrase stays."""
        salt = secrets.token_bytes(_SALT)
        wrap = _wrap(_stretch(recovery, salt), root, _recovery_aad(self.root_id, salt, shares))
        return replace(self, recovery_salt=salt, by_recovery=wrap, shares=shares)

    def open_with_passphrase(self, passphrase: bytes) -> bytearray:
        """The root key; raises WrongPassphrase, Tampered."""
        derived = self.cost.derive(passphrase, self.salt)
        aad = _aad(self.root_id, self.cost, self.salt)
        return _unwrap(derived, self.by_passphrase, aad, "passphrase")

    def open_with_recovery(self, recovery: bytes) -> bytearray:
        """The root key; raises WrongPassphrase, Tampered."""
        derived = _stretch(recovery, self.recovery_salt)
        aad = _recovery_aad(self.root_id, self.recovery_salt, self.shares)
        what = "set of shares" if self.shares else "recovery code"
        return _unwrap(derived, self.by_recovery, aad, what)

    def pack(self) -> bytes:
        """The record as stored: 512 bytes."""
        content = b"".join(
            (
                _START.pack(_MAGIC, _BY_SHARES if self.shares else _BY_CODE, self.root_id),
                _COST.pack(self.cost.iterations, self.cost.memory_kib, self.cost.lanes),
                self.salt,
                self.by_passphrase,
                self.recovery_salt,
                self.by_recovery,
                _scheme(self.shares),
            )
        )
        return (content + hashlib.sha256(content).digest()).ljust(SIZE, b"\0")

    @classmethod
    def unpack(cls, raw: bytes) -> Self:
        """The record in ``raw``; raises Tampered when it is damaged."""
        size = _CONTENT + (_SHARES.size if raw[4:5] == bytes([_BY_SHARES]) else 0)
        content, digest = raw[:size], raw[size : size + 32]
        if len(raw) != SIZE or hashlib.sha256(content).digest() != digest:
            raise Tampered("root.record: its checksum does not match; it is damaged")
        magic, version, root_id = _START.unpack_from(content)
        if magic != _MAGIC or version not in {_BY_CODE, _BY_SHARES}:
            raise Tampered("root.record: not a version 1 or 2 record")
        shares = ShareSet(*_SHARES.unpack_from(content, _CONTENT)) if size > _CONTENT else None
        cost = Cost(*_COST.unpack_from(content, _START.size))
        if not _plausible(cost):
            raise Tampered("root.record: impossible argon2id parameters")
        rest = content[_START.size + _COST.size : _CONTENT]
        at = _SALT + _WRAP
        by_passphrase = (rest[:_SALT], rest[_SALT:at])
        return cls(root_id, cost, *by_passphrase, rest[at : at + _SALT], rest[-_WRAP:], shares)


def calibrate(
    passphrase: bytes, effort: Effort, clock: Callable[[], float] = time.perf_counter
) -> tuple[Cost, bytes, bytearray]:
    """A cost at which one derivation takes ``effort``, its salt, and its result.

    The derivation that proved slow enough is the one that is used, so nothing is done twice.
    """
    salt, iterations = secrets.token_bytes(_SALT), 2
    while True:
        cost = Cost(iterations, effort.memory_kib, effort.lanes)
        began = clock()
        derived = cost.derive(passphrase, salt)
        took = clock() - began
        if took >= effort.seconds:
            return cost, salt, derived
        wipe(derived)
        iterations = max(
            iterations + 1, int(iterations * effort.seconds * 1.25 / max(took, 1e-3))
        )


def _plausible(cost: Cost) -> bool:
    return (
        1 <= cost.iterations <= _MOST_ITERATIONS
        and 1 <= cost.lanes <= _MOST_LANES
        and 8 * cost.lanes <= cost.memory_kib <= _MOST_MEMORY_KIB
    )


def _stretch(recovery: bytes, salt: bytes) -> bytearray:
    derived = bytearray(64)  # 160 random bits need no slow hash
    HKDF(SHA256(), len(derived), salt, b"cloister recovery v1").derive_into(recovery, derived)
    return derived


def _aad(root_id: bytes, cost: Cost, salt: bytes) -> bytes:
    numbers = _COST.pack(cost.iterations, cost.memory_kib, cost.lanes)
    return b"cloister root-record v1 passphrase" + root_id + numbers + salt


def _scheme(shares: ShareSet | None) -> bytes:
    if shares is None:
        return b""
    return _SHARES.pack(shares.threshold, shares.count, shares.number)


def _recovery_aad(root_id: bytes, salt: bytes, shares: ShareSet | None) -> bytes:
    version = b"2" if shares else b"1"
    start = b"cloister root-record v" + version + b" recovery"
    return start + root_id + salt + _scheme(shares)


def _wrap(derived: bytearray, root: bytearray, aad: bytes) -> bytes:
    nonce = secrets.token_bytes(12)
    wrap = nonce + AESGCM(derived[:32]).encrypt(nonce, root, aad) + derived[32:]
    wipe(derived)
    return wrap


def _unwrap(derived: bytearray, wrap: bytes, aad: bytes, what: str) -> bytearray:
    # The commitment tells a wrong secret from a damaged record.
    if not hmac.compare_digest(wrap[60:], derived[32:]):
        raise WrongPassphrase(f"this {what} does not open the lab's keys")
    root = bytearray(32)
    try:
        AESGCM(derived[:32]).decrypt_into(wrap[:12], wrap[12:60], aad, root)
    except InvalidTag as error:
        raise Tampered(f"root.record: the wrap by {what} fails authentication") from error
    wipe(derived)
    return root
