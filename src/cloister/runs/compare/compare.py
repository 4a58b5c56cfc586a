"""One pair of outputs, read by the format that the end of its name tells."""

from __future__ import annotations

import csv
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping

from cloister.runs.compare.arrays import compare_npy, compare_npz, compare_safetensors
from cloister.runs.compare.checkpoints import compare_checkpoint
from cloister.runs.compare.documents import compare_json, compare_json_lines, compare_table
from cloister.runs.compare.finding import LONGEST, Finding
from cloister.runs.compare.onnx import compare_onnx
from cloister.runs.compare.tally import Mismatch, Tally

_READERS: Mapping[str, Callable[[Tally, bytes, bytes], None]] = {
    "json": compare_json,
    "jsonl": compare_json_lines,
    "ndjson": compare_json_lines,
    "csv": compare_table,
    "tsv": compare_table,
    "npy": compare_npy,
    "npz": compare_npz,
    "safetensors": compare_safetensors,
    "onnx": compare_onnx,
    "pt": compare_checkpoint,
    "pth": compare_checkpoint,
}
FORMATS = tuple(_READERS)
_UNREADABLE = (
    ValueError, LookupError, TypeError, ArithmeticError, OSError, EOFError, RecursionError,
    SyntaxError, MemoryError, NotImplementedError, struct.error, zipfile.BadZipFile,
    zlib.error, csv.Error,
)  # fmt: skip
"""What the standard library raises over bytes that are not what their name says."""


def compare(suffix: str, a: bytes, b: bytes, tolerance: float) -> Finding:
    """Two outputs of one name; without a reader for it, only equal bytes are the same."""
    reader = _READERS.get(suffix)
    if reader is None or a == b:
        return Finding(a == b, 0.0, 0, "" if a == b else "no reader for this format")
    tally = Tally(tolerance)
    try:
        reader(tally, a, b)
    except Mismatch as mismatch:
        return Finding(False, tally.largest, tally.numbers, mismatch.where[:LONGEST])
    except _UNREADABLE as error:
        return Finding(False, 0.0, 0, f"not readable: {type(error).__name__}")
    return Finding(True, tally.largest, tally.numbers)
