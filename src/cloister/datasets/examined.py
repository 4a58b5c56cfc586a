"""Facts of records that were looked into: sealed with the record's own object key."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from cloister.core.canonical import canonical
from cloister.core.encoding import to_bytes, to_text
from cloister.core.errors import Tampered
from cloister.core.events import Recorded, Statement, Transaction

SCHEMA = (
    "CREATE TABLE examined (record TEXT PRIMARY KEY, looker INTEGER NOT NULL,"
    " facts BLOB NOT NULL, idx INTEGER NOT NULL)",
)
PURPOSE = "facts"
"""The purpose under which facts are sealed."""
_LARGEST = 1 << 24


class Examined(NamedTuple):
    """What is known of one record since it was looked into."""

    record: str
    looker: int
    """The version of the code that looked: facts of an older one are taken anew."""
    facts: bytes
    """Sealed: docs/formats/record-facts.md."""


def body(record: str, looker: int, sealed: bytes) -> dict[str, Any]:
    """The event body."""
    return {"facts": to_text(sealed), "looker": looker, "record": record}


def record_examined(recorded: Recorded) -> Iterator[Statement]:
    """A record was looked into; the newest look counts."""
    found = recorded.event.body
    yield Statement(
        "INSERT INTO examined VALUES (?, ?, ?, ?) ON CONFLICT (record) DO UPDATE SET"
        " looker = excluded.looker, facts = excluded.facts, idx = excluded.idx",
        (found["record"], found["looker"], to_bytes(found["facts"]), recorded.index),
    )


def of_dataset(tx: Transaction, dataset: str) -> dict[str, Examined]:
    """Record -> its facts, of all records of a dataset that have any."""
    rows = tx.iterate(
        "SELECT examined.record, looker, facts FROM examined JOIN record USING (record)"
        " WHERE dataset = ?",
        (dataset,),
    )
    return {row[0]: Examined._make(row) for row in rows}


def encode(facts: Mapping[str, str]) -> bytes:
    """Canonical JSON of names and texts, compressed; lone surrogates are escaped."""
    clean = {_clean(name): _clean(value) for name, value in facts.items()}
    return zlib.compress(canonical(clean), 6)


def decode(raw: bytes) -> Mapping[str, str]:
    """The facts in ``raw``, which authentication has already vouched for; raises Tampered."""
    inflater = zlib.decompressobj()
    try:
        found = json.loads(inflater.decompress(raw, _LARGEST))
    except (zlib.error, ValueError) as error:
        raise Tampered("the facts of a record are not in their format") from error
    if not isinstance(found, dict):
        raise Tampered("the facts of a record are not in their format")
    return {str(name): str(value) for name, value in found.items()}


def _clean(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
