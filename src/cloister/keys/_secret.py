"""Secrets in memory that can be overwritten once they are done with.

Python's ``bytes`` cannot; so keys travel in bytearrays, whose holder wipes them. What OpenSSL
copies of them it cleanses itself.
"""

from __future__ import annotations

from pathlib import Path


def fresh(size: int) -> bytearray:
    """Random bytes that never were ``bytes``."""
    secret = bytearray(size)
    with Path("/dev/urandom").open("rb", buffering=0) as source:
        while source.readinto(secret) != size:  # urandom(4): short reads only beyond 256 bytes
            pass
    return secret


def wipe(*secrets: bytearray) -> None:
    """Overwrites them with zeros."""
    for secret in secrets:
        secret[:] = bytes(len(secret))
