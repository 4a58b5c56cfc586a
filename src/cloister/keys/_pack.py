"""msgpack as every message and row here uses it: text may hold what a file name held."""

from __future__ import annotations

from typing import Any

import msgpack  # type: ignore[import-untyped]


def pack(value: object) -> bytes:
    """``value`` as msgpack; lone surrogates pass, since local ids come from foreign files."""
    packed = msgpack.packb(value, use_bin_type=True, unicode_errors="surrogatepass")
    return bytes(packed)


def unpack(packed: bytes) -> Any:
    """The value; raises ValueError for anything else than one whole msgpack value."""
    return msgpack.unpackb(packed, raw=False, unicode_errors="surrogatepass")
