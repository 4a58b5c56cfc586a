"""What is known of a record and readable only with its key: its path, its facts."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from cloister.core.canonical import canonical
from cloister.core.commitment import Opening
from cloister.core.encoding import to_bytes, to_text

PURPOSE = "record"
"""The purpose under which metadata is sealed."""


class RecordMeta(NamedTuple):
    """The sealed part of a record; a named tuple, for they come by the hundred thousand."""

    path: str
    """Relative to the source folder; surrogate escapes where the name is not UTF-8."""
    opening: Opening | None
    mode: int = 0o600
    mtime_ns: int = 0
    part: int | None = None
    """Of a table's rows: their number in its layout."""
    facts: Mapping[str, str] = MappingProxyType({})

    def encode(self) -> bytes:
        """Canonical JSON; names that are no text travel as base64 of their bytes."""
        opening = self.opening
        return canonical(
            {
                "facts": {_clean(k): _clean(v) for k, v in self.facts.items()},
                "mode": self.mode,
                "mtime_ns": str(self.mtime_ns),
                "part": self.part,
                "path": to_text(os.fsencode(self.path)),
                "plaintext": opening and opening.plaintext_sha256.hex(),
                "salt": opening and to_text(opening.salt),
            }
        )

    @classmethod
    def decode(cls, raw: bytes) -> RecordMeta:
        """The metadata in ``raw``, which authentication has already vouched for."""
        value = json.loads(raw)
        opening = None
        if value["salt"] is not None:
            opening = Opening(to_bytes(value["salt"]), bytes.fromhex(value["plaintext"]))
        return cls(
            path=os.fsdecode(to_bytes(value["path"])),
            opening=opening,
            mode=value["mode"],
            mtime_ns=int(value["mtime_ns"]),
            part=value["part"],
            facts=value["facts"],
        )


def _clean(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
