"""What code a task is made of: its own, and that of every project function it names.

The digest covers bytecode, constants, names and defaults of the task, and in turn of each
function, class and constant that it names and that is defined in a file of the project: the
folder of the pipeline's file. Comments, blank lines and line numbers do not count. A module of
the project that is imported in the body, or used in a way that cannot be followed (passed on,
``getattr``), counts with all of its file. Installed packages are covered by the digest of the
environment; what a task looks up at run time by a text it computes is not seen.
"""

from __future__ import annotations

import dataclasses
import dis
import enum
import functools
import hashlib
import importlib.util
import logging
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from cloister.core.errors import BadInput
from cloister.pipelines.values import encode

_TRACKING = b"mlflow"
_CONSTANTS = (type(None), bool, int, float, complex, str, bytes, type(Ellipsis))


class Digester:
    """Digests of the functions of one project, each looked at once."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._own: dict[int, str] = {}
        self._links: dict[int, list[Any]] = {}
        self._tracking: set[int] = set()
        self._alive: list[Any] = []

    def of(self, function: Callable[..., Any]) -> str:
        """SHA-256, hex, over all that ``function`` reaches.

        Raises BadInput, naming the variable, for a global that is neither code nor a value.
        """
        reached = self._reached(function)
        total = hashlib.sha256(self._own[id(function)].encode())
        for digest in sorted(self._own[one] for one in reached):
            total.update(digest.encode())
        return total.hexdigest()

    def tracks(self, function: Callable[..., Any]) -> bool:
        """Whether what ``function`` reaches says ``mlflow``: in a name, a text or an import.

        What an installed package does by itself is not seen.
        """
        return not self._tracking.isdisjoint(self._reached(function))

    def _reached(self, function: Callable[..., Any]) -> set[int]:
        seen: set[int] = set()
        waiting: list[Any] = [function]
        while waiting:
            one = waiting.pop()
            if id(one) in seen:
                continue
            if id(one) not in self._own:
                self._look(one)
            seen.add(id(one))
            waiting += self._links[id(one)]
        return seen

    def _look(self, one: Any) -> None:
        """Digests one function, class or module, and notes what it leads to."""
        self._alive.append(one)  # or its id could come again
        digest, links = hashlib.sha256(), []
        parts = self._of_class(one) if isinstance(one, type) else self._of_other(one)
        for part in parts:
            if isinstance(part, bytes):
                digest.update(len(part).to_bytes(8, "big") + part)
                if _TRACKING in part.lower():
                    self._tracking.add(id(one))
            else:
                links.append(part)
        self._own[id(one)] = digest.hexdigest()
        self._links[id(one)] = links

    def _of_other(self, one: Any) -> Iterator[Any]:
        if isinstance(one, ModuleType):
            yield self._file(one)
            return
        if isinstance(one, MethodType):
            one = one.__func__
        yield from self._code(one.__code__)
        for name, value in _bindings(one):
            yield from self._named(name, value)
        yield from self._globals(one)

    def _of_class(self, one: type) -> Iterator[Any]:
        yield one.__qualname__.encode()
        for base in one.__bases__:
            yield from self._named(base.__name__, base)
        for name, value in sorted(vars(one).items()):
            if name in {"__dict__", "__weakref__", "__doc__", "__module__", "__slots__"}:
                continue
            for member in _functions(value):
                yield name.encode()
                yield member
            if isinstance(value, _CONSTANTS):
                yield f"{name}={value!r}".encode()

    def _code(self, code: CodeType) -> Iterator[bytes]:
        yield code.co_code
        yield repr((code.co_names, code.co_varnames, code.co_freevars)).encode()
        yield repr((code.co_argcount, code.co_kwonlyargcount, code.co_flags)).encode()
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                yield from self._code(constant)
            else:
                yield _constant(constant)

    def _globals(self, function: FunctionType) -> Iterator[Any]:
        for chain in _chains(function.__code__):
            name = chain[0]
            if name.startswith("import "):
                yield from self._imported(name.removeprefix("import "))
            elif name in function.__globals__:
                value = function.__globals__[name]
                yield name.encode()
                yield from self._followed(name, value, chain[1:])

    def _followed(self, name: str, value: Any, attributes: tuple[str, ...]) -> Iterator[Any]:
        """From a module to what is taken from it; the whole of it where that is not said."""
        while isinstance(value, ModuleType) and attributes and self._is_ours(value):
            if not hasattr(value, attributes[0]):
                break
            name = attributes[0]
            value, attributes = getattr(value, name), attributes[1:]
        yield from self._named(name, value)

    def _named(self, name: str, value: Any) -> Iterator[Any]:
        """What a name stands for: code to follow, or a value that counts as it is."""
        if not isinstance(value, FunctionType):
            value = getattr(value, "__wrapped__", value)  # lru_cache and its kin
        inner = getattr(value, "function", value)  # of another task
        if isinstance(inner, FunctionType | MethodType | type | ModuleType):
            if self._is_ours(inner):
                yield inner
            elif _TRACKING in (home := _home(inner)):
                yield home  # by whatever name it goes here
            return
        try:
            plain = encode(value)
        except BadInput as error:
            parts = list(_taken_apart(value))
            if not parts and not _is_installed(value):
                raise BadInput(
                    f"the global {name!r} is a {type(value).__qualname__}: neither code nor a"
                    " value, so nobody could tell when it changes",
                    hint="make it in the task, or pass it as an argument",
                ) from error
            for part in parts:
                yield from self._named(name, part)
        else:
            yield name.encode() + b"=" + plain

    def _imported(self, name: str) -> Iterator[Any]:
        module = sys.modules.get(name)
        if module is not None:
            if self._is_ours(module):
                yield module
            return
        top, origin = name.partition(".")[0], ""
        for part in dict.fromkeys((top, name)):  # to look for a part imports what it is of
            try:
                found = importlib.util.find_spec(part)
            except (ImportError, ValueError):
                return
            origin = (found and found.origin) or ""
            if not self._is_inside(origin):
                return
        yield Path(origin).read_bytes()

    def _is_ours(self, value: Any) -> bool:
        if isinstance(value, ModuleType):
            return self._is_inside(getattr(value, "__file__", None))
        module = sys.modules.get(getattr(value, "__module__", None) or "")
        code = getattr(value, "__code__", None)
        return self._is_inside(
            code.co_filename if code is not None else getattr(module, "__file__", None)
        )

    def _is_inside(self, file: str | None) -> bool:
        if not file or "site-packages" in file:
            return False
        path = Path(file)
        return self._root in (path if path.is_absolute() else path.resolve()).parents

    def _file(self, module: ModuleType) -> bytes:
        return Path(str(module.__file__)).read_bytes()


def _home(value: Any) -> bytes:
    """The module that a function or class is of, or that it is."""
    name = getattr(value, "__module__", None) or getattr(value, "__name__", "")
    return str(name).encode()


def _functions(value: Any) -> Iterator[FunctionType]:
    """The functions behind an entry of a class: methods, properties, class methods."""
    for one in (value, *(getattr(value, name, None) for name in ("__func__", "fget", "fset"))):
        if isinstance(one, FunctionType):
            yield one


def _bindings(function: Any) -> Iterator[tuple[str, Any]]:
    """What a function holds besides its code: defaults, and variables around it."""
    names = function.__code__.co_varnames
    defaults = function.__defaults__ or ()
    first = function.__code__.co_argcount - len(defaults)
    yield from zip(names[first : first + len(defaults)], defaults, strict=True)
    yield from sorted((function.__kwdefaults__ or {}).items())
    cells = function.__closure__ or ()
    for name, cell in zip(function.__code__.co_freevars, cells, strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # defined after the function, or never
            continue


def _constant(value: Any) -> bytes:
    if isinstance(value, frozenset):  # its order changes from process to process
        return repr(sorted(map(repr, value))).encode()
    if isinstance(value, tuple):
        return b"".join(_constant(one) for one in value)
    return repr(value).encode()


def _taken_apart(value: Any) -> Iterator[Any]:
    """What a value is made of, where that says all of it."""
    if isinstance(value, dict):
        yield from value
        yield from value.values()
    elif isinstance(value, list | tuple):
        yield from value
    elif isinstance(value, set | frozenset):
        yield repr(sorted(map(repr, value)))
    elif isinstance(value, re.Pattern):
        yield f"{value.pattern!r} {value.flags}"
    elif isinstance(value, logging.Logger):
        yield value.name
    elif isinstance(value, enum.Enum):
        yield type(value)
        yield value.name
    elif isinstance(value, functools.partial):
        yield from (value.func, list(value.args), value.keywords)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield type(value)
        yield from (getattr(value, one.name) for one in dataclasses.fields(value))


def _is_installed(value: Any) -> bool:
    """Whether it is a package's own, found there by its name: the environment covers it."""
    if type(value).__module__ == "typing":
        return True
    module = sys.modules.get(getattr(value, "__module__", None) or "")
    name = getattr(value, "__name__", None)
    return module is not None and name is not None and getattr(module, name, None) is value


_QUIET = frozenset({"CACHE", "PRECALL", "EXTENDED_ARG", "NOP", "PUSH_NULL"})


def _chains(code: CodeType) -> Iterator[tuple[str, ...]]:
    """Globals as they are used, each with the attributes taken from it; and imports."""
    chain: tuple[str, ...] = ()
    found: dict[tuple[str, ...], None] = {}
    for step in dis.get_instructions(code):
        if step.opname in {"LOAD_ATTR", "LOAD_METHOD"} and chain:
            chain = (*chain, str(step.argval))
        elif step.opname not in _QUIET:
            found[chain] = None
            chain = (str(step.argval),) if step.opname in {"LOAD_GLOBAL", "LOAD_NAME"} else ()
            if step.opname == "IMPORT_NAME":
                found[(f"import {step.argval}",)] = None
    found[chain] = None
    yield from (one for one in found if one)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _chains(constant)
