"""Loads a pickle, or a joblib file, that was walked: every name is looked up on the list again.

A second wall behind the walk, and the only code that loads: should the two ever disagree on
what an opcode does, nothing off the list is found here either. Arrays of objects, which joblib
hands to a plain unpickler, come through this one as well.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle  # noqa: TID251 - the one loader; it finds only what Allowed lists
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from cloister.export.inside.allowed import Allowed
from cloister.export.inside.failing import Refused, missing
from cloister.export.inside.walk import WRAPPER, read_exactly, skip_padding, walk

_LARGEST_BYTES = 8 << 30


def load_pickle(path: Path, allowed: Allowed) -> Any:
    """The object in a pickle or joblib file, compressed or not; raises Refused."""
    with _opened(path) as stream:
        walk(stream, allowed)
    with _opened(path) as stream:
        return _Loader(stream, allowed).load()


_Machine: Any = pickle._Unpickler


class _Loader(_Machine):  # type: ignore[misc]
    def __init__(self, stream: BinaryIO, allowed: Allowed) -> None:
        super().__init__(stream)
        self.stream = stream
        self.allowed = allowed

    def find_class(self, module: Any, name: Any) -> Any:
        if (module, name) == WRAPPER:
            return _Array
        return self.allowed.find(module, name)

    def persistent_load(self, pid: Any) -> Any:
        raise Refused("the pickle refers to something outside itself")

    def get_extension(self, code: int) -> Any:
        raise Refused("the pickle names something by a number of this machine's registry")

    def build(self) -> None:
        _Machine.load_build(self)
        if isinstance(self.stack[-1], _Array):
            self.stack[-1] = self.stack[-1].read(self.stream, self.allowed)

    @property
    def dispatch(self) -> dict[int, Callable[[Any], None]]:
        """The machine's own table, but for arrays between opcodes and what nobody writes."""
        table: dict[int, Callable[[Any], None]] = dict(_Machine.dispatch)
        for opcode in (pickle.INST, pickle.OBJ):
            table.pop(opcode[0])
        table[pickle.BUILD[0]] = _Loader.build
        return table


class _Array:
    """What joblib leaves where an array belongs: its shape; the bytes follow."""

    subclass: Any = None
    shape: tuple[int, ...] = ()
    order: str = "C"
    dtype: Any = None
    numpy_array_alignment_bytes: int | None = None

    def read(self, stream: BinaryIO, allowed: Allowed) -> Any:
        import numpy as np

        if self.dtype.hasobject:
            return _Loader(stream, allowed).load()
        skip_padding(stream, vars(self))
        count = int(np.prod(self.shape, dtype=np.int64))
        content = read_exactly(stream, count * self.dtype.itemsize)
        flat = np.frombuffer(content, dtype=self.dtype, count=count).copy()
        if self.order == "F":
            return flat.reshape(self.shape[::-1]).transpose()
        return flat.reshape(self.shape)


def _opened(path: Path) -> BinaryIO:
    """The pickle within ``path``, whatever it is compressed with."""
    with path.open("rb") as file:
        head = file.read(6)
    if head[:2] == b"\x1f\x8b":
        return _bounded(gzip.open(path))
    if head[:3] == b"BZh":
        return _bounded(bz2.open(path))
    if head[:6] == b"\xfd7zXZ\x00" or head[:1] == b"\x5d":
        return _bounded(lzma.open(path))
    if head[:4] == b"\x04\x22\x4d\x18":
        try:
            import lz4.frame
        except ImportError as error:
            raise missing("lz4", "a file compressed with LZ4") from error
        return _bounded(lz4.frame.open(path))
    if head[:1] == b"\x78" and (head[0] << 8 | head[1]) % 31 == 0:
        machine = zlib.decompressobj()
        content = machine.decompress(path.read_bytes(), _LARGEST_BYTES)
        if machine.unconsumed_tail:
            raise Refused("the file holds more than any model, once decompressed")
        return io.BytesIO(content)
    return path.open("rb")


def _bounded(stream: Any) -> BinaryIO:
    with stream:
        content = stream.read(_LARGEST_BYTES + 1)
    if len(content) > _LARGEST_BYTES:
        raise Refused("the file holds more than any model, once decompressed")
    return io.BytesIO(content)
