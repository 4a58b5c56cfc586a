"""Opening what is sealed beside the data: paths, facts, labels, source folders."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from cloister.core.values import KeyRef
from cloister.datasets import meta, versions
from cloister.datasets.meta import RecordMeta
from cloister.datasets.records import Record
from cloister.datasets.versions import Dataset
from cloister.keys.seal import open_field
from cloister.labels.rows import PURPOSE, Label
from cloister.runs.history import RunOutput
from cloister.workflows.lab import Lab

SOURCE = "source"
"""The purpose under which a dataset's source folder is sealed."""
_TOGETHER = 2000


def open_keys(lab: Lab, refs: Sequence[KeyRef]) -> dict[bytes, bytes]:
    """Seal id -> object key; what was erased is absent."""
    distinct = list({ref.seal_id: ref for ref in refs}.values())
    found: dict[bytes, bytes] = {}
    for start in range(0, len(distinct), _TOGETHER):
        part = distinct[start : start + _TOGETHER]
        for ref, key in zip(part, lab.keys.open(part), strict=True):
            if key is not None:
                found[ref.seal_id] = key
    return found


class Unsealed(NamedTuple):
    """A record whose subject's key is there."""

    record: Record
    meta: RecordMeta
    key: bytes
    """The object key: it opens the record's bytes too."""


def unsealed(lab: Lab, records: Sequence[Record]) -> Iterator[Unsealed]:
    """Each record with its metadata; records of erased subjects are left out.

    The key service opens some while those before them are in use.
    """
    parts = [records[at : at + _TOGETHER] for at in range(0, len(records), _TOGETHER)]
    with ThreadPoolExecutor(1) as beside:
        ahead = deque(beside.submit(open_keys, lab, [r.key for r in part]) for part in parts)
        for part in parts:
            keys = ahead.popleft().result()
            for record in part:
                key = keys.get(record.seal)
                if key is not None:
                    yield Unsealed(record, unseal_meta(record, key), key)


def unseal_meta(record: Record, object_key: bytes) -> RecordMeta:
    """One record's metadata; raises Tampered."""
    raw = open_field(object_key, meta.PURPOSE, record.meta, record.record.encode())
    return RecordMeta.decode(raw)


def unseal_output(output: RunOutput, object_key: bytes) -> RecordMeta:
    """Path and opening of one output; raises Tampered."""
    raw = open_field(object_key, meta.PURPOSE, output.meta, output.object.encode())
    return RecordMeta.decode(raw)


def unseal_label(label: Label, object_key: bytes) -> str:
    """One label's value; raises Tampered."""
    value = json.loads(open_field(object_key, PURPOSE, label.value, label.label.encode()))
    return str(value["value"])


def sources(lab: Lab) -> dict[Path, Dataset]:
    """Source folder -> dataset, of all datasets whose folder the key service opens."""
    return source_folders(lab, lab.read(versions.datasets))


def source_folders(lab: Lab, datasets: Sequence[Dataset]) -> dict[Path, Dataset]:
    """Source folder -> dataset, of those whose folder the key service opens."""
    keys = open_keys(lab, [dataset.key for dataset in datasets])
    found: dict[Path, Dataset] = {}
    for dataset in datasets:
        key = keys.get(dataset.key.seal_id)
        if key is not None:
            raw = open_field(key, SOURCE, dataset.source, dataset.collection.encode())
            found[Path(os.fsdecode(raw))] = dataset
    return found
