"""Reads a pickle without doing any of it: which globals it names, by whatever detours.

It is Python's own stack machine with every opcode that could import or call replaced by one
that only takes note. So names that are put together on the stack, fetched from the memo or
copied come out as they would when it is loaded. What it does not know it refuses.
"""

from __future__ import annotations

import pickle  # noqa: TID251 - the opcodes are walked, and nothing they name is ever called
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from cloister.export.inside.allowed import Allowed
from cloister.export.inside.failing import Refused

WRAPPER = ("joblib.numpy_pickle", "NumpyArrayWrapper")
_DTYPE = ("numpy", "dtype")
_ACTING = (
    "INST OBJ EXT1 EXT2 EXT4 REDUCE NEWOBJ NEWOBJ_EX BUILD APPEND APPENDS SETITEM SETITEMS"
    " ADDITEMS PERSID BINPERSID NEXT_BUFFER READONLY_BUFFER"
)


@dataclass(eq=False)
class Named:
    """A global, by name only."""

    module: str
    name: str


@dataclass(eq=False)
class Made:
    """What calling a global would have made."""

    of: Named
    arguments: Any = ()
    state: Any = None


@dataclass
class Found:
    """What one stream holds."""

    value: Any
    names: set[tuple[str, str]] = field(default_factory=set)


def walk(stream: BinaryIO, allowed: Allowed, *, persistent: bool = False) -> Found:
    """The outline of the next pickle in ``stream``, all of whose names are on the list.

    Leaves ``stream`` behind it, arrays of joblib included. ``persistent`` lets it refer to
    storages beside it, as PyTorch's do. Raises Refused.
    """
    walker = _Walker(stream, allowed, persistent=persistent)
    try:
        value = walker.load()
    except Refused:
        raise
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, EOFError) as error:
        raise Refused("the pickle is cut off, or not one that a library writes") from error
    except (pickle.UnpicklingError, RecursionError, OverflowError, MemoryError) as error:
        raise Refused("the pickle is cut off, or not one that a library writes") from error
    return Found(value, walker.names)


_Machine: Any = pickle._Unpickler


class _Walker(_Machine):  # type: ignore[misc]
    """The machine of the standard library, without hands."""

    def __init__(self, stream: BinaryIO, allowed: Allowed, *, persistent: bool) -> None:
        super().__init__(stream, encoding="latin1")
        self.stream = stream
        self.allowed = allowed
        self.persistent = persistent
        self.names: set[tuple[str, str]] = set()

    def find_class(self, module: Any, name: Any) -> Any:
        if not isinstance(module, str) or not isinstance(name, str):
            raise Refused("the pickle names something by a name that is no text")
        self.allowed.check(module, name)
        self.names.add((module, name))
        return Named(module, name)

    def _made(self, of: Any, arguments: Any) -> Made:
        if not isinstance(of, Named):
            raise Refused("the pickle calls something that it made itself")
        return Made(of, arguments)

    def call(self) -> None:
        arguments = self.stack.pop()
        self.stack[-1] = self._made(self.stack[-1], arguments)

    def call_with_keywords(self) -> None:
        keywords, arguments = self.stack.pop(), self.stack.pop()
        self.stack[-1] = self._made(self.stack[-1], (arguments, keywords))

    def build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if not isinstance(target, Made):
            raise Refused("the pickle changes something that it did not make")
        target.state = state
        if (target.of.module, target.of.name) == WRAPPER:
            self.stack[-1] = self._skip_array(state)

    def put_in(self) -> None:
        """Items for a list, set or dictionary; for anything else only its own code knows."""
        items = self.pop_mark()
        _put_in(self.stack[-1], items)

    def put_one_in(self) -> None:
        _put_in(self.stack[-2], [self.stack.pop()])

    def put_pair_in(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        _put_in(self.stack[-1], [key, value])

    def refer(self) -> None:
        if not self.persistent:
            raise Refused("the pickle refers to something outside itself")
        self.stack.append(Made(Named("torch", "storage"), self.stack.pop()))

    def refuse(self) -> None:
        raise Refused("the pickle uses an opcode that no model library writes")

    def _skip_array(self, state: Any) -> Any:
        """Past the bytes that joblib puts between opcodes, where an array belongs."""
        if not isinstance(state, dict):
            raise Refused("the joblib file describes an array in no known way")
        kind, size_bytes = _item(state.get("dtype"))
        if kind == "O":  # joblib reads these with a second, plain unpickler
            return walk(self.stream, self.allowed).value
        skip_padding(self.stream, state)
        count = 1
        for length in state.get("shape", ()):
            count *= int(length)
        if count < 0:
            raise Refused("the joblib file describes an array in no known way")
        read_exactly(self.stream, count * size_bytes)
        return Made(Named(*WRAPPER), (), state)

    def _table(self) -> dict[int, Callable[[Any], None]]:
        kinds = {
            "REDUCE": _Walker.call,
            "NEWOBJ": _Walker.call,
            "NEWOBJ_EX": _Walker.call_with_keywords,
            "BUILD": _Walker.build,
            "APPEND": _Walker.put_one_in,
            "APPENDS": _Walker.put_in,
            "ADDITEMS": _Walker.put_in,
            "SETITEM": _Walker.put_pair_in,
            "SETITEMS": _Walker.put_in,
            "BINPERSID": _Walker.refer,
        }
        table: dict[int, Callable[[Any], None]] = dict(_Machine.dispatch)
        for name in _ACTING.split():
            table[getattr(pickle, name)[0]] = kinds.get(name, _Walker.refuse)
        return table

    @property
    def dispatch(self) -> dict[int, Callable[[Any], None]]:
        """What the machine of the standard library looks opcodes up in."""
        return self._table()


def _put_in(target: Any, items: list[Any]) -> None:
    if isinstance(target, list):
        target.extend(items)
    elif isinstance(target, set):
        target.update(item for item in items if isinstance(item, (str, int, float, bytes)))
    elif isinstance(target, dict):
        for key, value in zip(items[::2], items[1::2]):  # noqa: B905 - Python 3.9 reads this
            target[key if _is_plain(key) else id(key)] = value
    elif not isinstance(target, Made):
        raise Refused("the pickle puts things into something that holds none")


def _is_plain(key: Any) -> bool:
    return isinstance(key, (str, int, float, bytes, bool)) or key is None


def _item(dtype: Any) -> tuple[str, int]:
    """Kind and size of an array's items, from what ``numpy.dtype`` would have been told."""
    if not isinstance(dtype, Made) or (dtype.of.module, dtype.of.name) != _DTYPE:
        raise Refused("the joblib file describes an array in no known way")
    code = str(dtype.arguments[0])
    state = dtype.state if isinstance(dtype.state, tuple) else ()
    if len(state) > 5 and isinstance(state[4], dict):  # fields: a record, any of them an object
        inner = [_item(part[0])[0] for part in state[4].values()]
        return ("O" if "O" in inner else "V"), int(state[5])
    if code[:1] == "U":
        return "U", 4 * int(code[1:] or 0)
    return code[:1], int(code[1:]) if code[1:].isdigit() else 0


def skip_padding(stream: BinaryIO, state: dict[str, Any]) -> None:
    """Past what aligns an array: a byte that says how many, then as many."""
    if state.get("numpy_array_alignment_bytes") is not None:
        read_exactly(stream, read_exactly(stream, 1)[0])


def read_exactly(stream: BinaryIO, size_bytes: int) -> bytes:
    """That many bytes; raises Refused at the end of the file."""
    content = stream.read(size_bytes)
    if len(content) != size_bytes:
        raise Refused("the file ends too early")
    return content
