"""Values as they move between tasks: MessagePack, with files, tuples and arrays; no pickles.

What a value may be: None, bool, int (64 bits), float, str, bytes, list, tuple, dict, a file
(``pathlib.Path`` to one, or ``File``) and, where NumPy is installed, its arrays and scalars.
Anything else is an error where it appears, never a guess. docs/formats/pipeline-value.md
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack  # type: ignore[import-untyped]

from cloister.core.errors import BadInput

TUPLE, FILE, ARRAY, SCALAR, NODE, EITHER, DATASET, LABELS = 1, 2, 3, 4, 8, 9, 10, 11
"""Numbers of the MessagePack extensions; the last four stand in arguments alone."""
LARGEST = 1 << 30


@dataclass(frozen=True, slots=True)
class File:
    """A file that a task made, or is given: a name, and its bytes beside the value."""

    name: str
    """Relative to the folder in which the task runs, with ``/``."""


Special = Callable[[Any], msgpack.ExtType | None]


def encode(value: Any, special: Special | None = None) -> bytes:
    """``value`` as bytes; raises BadInput for what it may not be, naming its type."""

    def other(one: Any) -> msgpack.ExtType:
        found = special(one) if special is not None else None
        return found if found is not None else _extension(one, special)

    try:
        packed: bytes = msgpack.packb(value, default=other, strict_types=True)
    except (OverflowError, ValueError) as error:
        raise BadInput(f"a value cannot be kept: {error}") from error
    return packed


def _extension(value: Any, special: Special | None) -> msgpack.ExtType:
    if isinstance(value, tuple):
        return msgpack.ExtType(TUPLE, encode(list(value), special))
    if isinstance(value, Path):
        return msgpack.ExtType(FILE, os.fsencode(value))
    if isinstance(value, File):
        return msgpack.ExtType(FILE, value.name.encode())
    if type(value).__module__ == "numpy":
        return _array(value)
    raise BadInput(
        f"a value of type {type(value).__module__}.{type(value).__qualname__} cannot be kept",
        hint="use numbers, texts, bytes, lists, dicts, NumPy arrays or files",
    )


def _array(value: Any) -> msgpack.ExtType:
    import numpy as np

    if isinstance(value, np.generic) and isinstance(value.item(), bool | int | float | str):
        return msgpack.ExtType(SCALAR, encode(value.item()))
    if np.asarray(value).dtype.hasobject:
        raise BadInput("an array of objects cannot be kept", hint="give it numbers or texts")
    stream = io.BytesIO()
    np.save(stream, np.asarray(value), allow_pickle=False)
    return msgpack.ExtType(ARRAY, stream.getvalue())


Found = Callable[[int, bytes], Any]


def decode(packed: bytes, found: Found | None = None) -> Any:
    """The value; ``found`` gives what the extensions of arguments and files stand for."""

    def extension(code: int, data: bytes) -> Any:
        if code == TUPLE:
            return tuple(decode(data, found))
        if code == SCALAR:
            return decode(data)
        if code == ARRAY:
            import numpy as np

            array = np.load(io.BytesIO(data), allow_pickle=False)
            return array if array.ndim else array[()]
        if found is not None:
            return found(code, data)
        if code == FILE:
            return File(os.fsdecode(data))
        raise BadInput(f"a value holds the unknown extension {code}")

    try:
        return msgpack.unpackb(packed, ext_hook=extension, strict_map_key=False)
    except (ValueError, msgpack.UnpackException) as error:
        raise BadInput("a value is not what tasks exchange") from error


def items(packed: bytes) -> list[bytes] | None:
    """The items of a list, each as bytes of its own, without decoding any; None for no list."""
    unpacker = msgpack.Unpacker(max_buffer_size=LARGEST, strict_map_key=False)
    unpacker.feed(packed)
    try:
        count = unpacker.read_array_header()
        return list(_slices(unpacker, packed, count))
    except (ValueError, msgpack.UnpackException):
        return None


def _slices(unpacker: msgpack.Unpacker, packed: bytes, count: int) -> Iterator[bytes]:
    begin = unpacker.tell()
    for _ in range(count):
        unpacker.skip()
        end = unpacker.tell()
        yield packed[begin:end]
        begin = end


def collected(parts: Sequence[bytes]) -> bytes:
    """The list of ``parts``, as bytes: what ``items`` takes apart."""
    return bytes(msgpack.Packer().pack_array_header(len(parts))) + b"".join(parts)


def file_names(packed: bytes) -> list[str]:
    """The files that a value names."""
    names: list[str] = []

    def note(code: int, data: bytes) -> None:
        if code == FILE:
            names.append(os.fsdecode(data))

    decode(packed, note)
    return names


def labels_wanted(arguments: bytes) -> list[str]:
    """The references whose labels stand among ``arguments``, each once."""
    found: dict[str, None] = {}

    def look(code: int, data: bytes) -> None:
        if code == LABELS:
            found[data.decode()] = None

    decode(arguments, look)
    return list(found)


def truth(packed: bytes) -> bool:
    """Whether a value counts as true for a condition: as in Python; arrays and files do."""

    def inner(code: int, data: bytes) -> bool:
        return truth(data) if code in (TUPLE, SCALAR) else True

    try:
        return bool(msgpack.unpackb(packed, ext_hook=inner, strict_map_key=False))
    except (ValueError, TypeError, msgpack.UnpackException):
        return True


def placed(packed: bytes, folder: str) -> bytes:
    """The same value, whose files lie in ``folder``."""

    def moved(code: int, data: bytes) -> Any:
        return File(f"{folder}/{os.fsdecode(data)}") if code == FILE else data

    return encode(decode(packed, moved))
