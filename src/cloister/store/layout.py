"""Which key a blob gets: ``<namespace>/<kind>/<first two digits>/<SHA-256>``."""

from __future__ import annotations

from typing import Literal

Namespace = Literal["raw", "derived"]
"""``raw`` came from outside and is write-once; ``derived`` was made here."""

NAMESPACES: tuple[Namespace, ...] = ("raw", "derived")
SMALL_BYTES = 1 << 20
"""Sealed objects below this size gather in packs; the others are blobs of their own."""
PACK_BYTES = 8 << 20
"""A pack is written once the objects in it reach this size."""


def pack_key(namespace: Namespace, pack_id: str) -> str:
    """The key of a pack."""
    return f"{namespace}/packs/{pack_id[:2]}/{pack_id}"


def object_key(namespace: Namespace, name: str) -> str:
    """The key of an object that is a blob of its own."""
    return f"{namespace}/objects/{name[:2]}/{name}"


def is_pack(key: str) -> bool:
    """Whether the blob is a pack; otherwise it is one object."""
    return key.split("/", 2)[1:2] == ["packs"]


def is_raw(key: str) -> bool:
    """Whether the blob is write-once."""
    return key.startswith("raw/")


def content_id(key: str) -> str:
    """The hash in a key: of a pack's tail, or of the object."""
    return key.rpartition("/")[2]
