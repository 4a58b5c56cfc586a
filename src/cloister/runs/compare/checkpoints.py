"""PyTorch checkpoints: the storages in the archive, typed by its pickle, which is never run."""

from __future__ import annotations

import io
import pickletools
import zipfile
from collections.abc import Iterator

from cloister.runs.compare.arrays import compare_raw
from cloister.runs.compare.tally import Mismatch, Tally

_KINDS = {
    "HalfStorage": "f2",
    "FloatStorage": "f4",
    "DoubleStorage": "f8",
    "BFloat16Storage": "bf16",
}
_OUR_OWN = ("/.data/serialization_id", "/.format_version")
"""Members that say how the file was written, and nothing of what is in it."""


def compare_checkpoint(tally: Tally, a: bytes, b: bytes) -> None:
    """Same structure, storages within the tolerance; raises Mismatch for the old format."""
    left, right = _members(a), _members(b)
    tally.same("names of members", sorted(left), sorted(right))
    if "data.pkl" not in left:
        raise Mismatch("not a PyTorch archive")
    kinds = dict(_storages(left["data.pkl"]))
    tally.same("structure", _shape(left["data.pkl"]), _shape(right["data.pkl"]))
    for name in sorted(left):
        if name != "data.pkl":
            kind = kinds.get(name.removeprefix("data/"), "")
            compare_raw(tally, name, kind, left[name], right[name])


def _members(data: bytes) -> dict[str, bytes]:
    """Without the first folder, which is named after the file."""
    if not zipfile.is_zipfile(io.BytesIO(data)):
        raise Mismatch("not a PyTorch archive")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {
            name.partition("/")[2]: archive.read(name)
            for name in archive.namelist()
            if not name.endswith(_OUR_OWN)
        }


def _shape(pickled: bytes) -> list[tuple[str, object]]:
    """The pickle's instructions, read as text."""
    return [(op.name, argument) for op, argument, _ in pickletools.genops(pickled)]


def _storages(pickled: bytes) -> Iterator[tuple[str, str]]:
    """(key, type of element) of each storage: ('storage', class, key, device, count)."""
    memo: dict[int, object] = {}
    recent: list[object] = []
    for op, argument, _ in pickletools.genops(pickled):
        if op.name in {"BINGET", "LONG_BINGET"}:
            recent.append(memo.get(int(argument or 0)))
        elif op.name in {"BINPUT", "LONG_BINPUT"} and recent:
            memo[int(argument or 0)] = recent[-1]
        elif op.name == "MEMOIZE" and recent:
            memo[len(memo)] = recent[-1]
        elif op.name == "BINPERSID":
            tail = [one for one in recent if isinstance(one, str)][-4:]
            if len(tail) == 4 and tail[0] == "storage":
                yield tail[2], _KINDS.get(tail[1].rpartition(" ")[2], "")
        elif op.name in {"TUPLE", "EMPTY_DICT", "EMPTY_TUPLE", "EMPTY_LIST", "REDUCE"}:
            recent.append(None)
        elif argument is not None:
            recent.append(argument)
