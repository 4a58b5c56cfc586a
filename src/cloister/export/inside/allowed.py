"""What a pickle may name: an allow-list, first by name, then by what the name turned out to be.

A pickle is a program whose only way to the outside is to name something and call it. So the
list holds what a model is made of and nothing that acts: classes of the model libraries, by
their own full name, and the few functions that rebuild an array. Functions of the libraries
are not on it, nor is what they merely imported (``sklearn.utils.os``), nor any dotted name
(``Pipeline.__init__.__globals__``).
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cloister.export.inside.failing import Refused

_CLASSES_OF = ("sklearn", "lightgbm", "xgboost")
_BUT_NOT = re.compile(
    r"sklearn\.(externals|datasets|tests|experimental|utils\._testing|utils\.fixes)(\.|$)"
    r"|\.tests(\.|$)|lightgbm\.dask|xgboost\.(dask|spark|testing)(\.|$)"
)
_TORCH_CLASSES = re.compile(r"torch\.nn\.(modules(\.|$)|parameter$)|torch\.ao\.nn\.")
_CYTHON = re.compile(r"__pyx_unpickle_[A-Z]\w*")
_CYTHON_IN = ("sklearn._loss._loss", "numpy.random.bit_generator")
"""Compiled classes that no __reduce__ names: each has a function that makes one, empty."""
_BUILTINS = (
    "set frozenset complex bytearray range slice object int float bool str bytes list tuple"
    " dict"
)
_STORAGES = (
    "Double Float Half BFloat16 Long Int Short Char Byte Bool ComplexFloat ComplexDouble"
)
_DTYPES = (
    "float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 bool complex64 complex128"
    " double float half long int short"
)
_NUMPY_TYPES = (
    "ndarray dtype bool bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32"
    " float64 str_ bytes_ longlong ulonglong"
)
_SPARSE = "csr_matrix csc_matrix coo_matrix csr_array csc_array coo_array"


def _exact() -> Iterator[tuple[str, str]]:
    for core in ("numpy.core", "numpy._core"):
        yield from ((f"{core}.multiarray", name) for name in ("_reconstruct", "scalar"))
        yield f"{core}.numeric", "_frombuffer"
    yield from (("numpy", name) for name in _NUMPY_TYPES.split())
    # Kept as random_state by estimators that were given a generator.
    yield from (
        ("numpy.random._pickle", f"__{name}_ctor")
        for name in ("randomstate", "bit_generator", "generator")
    )
    yield "numpy.random._mt19937", "MT19937"
    yield "numpy.random._pcg64", "PCG64"
    yield "numpy.random.bit_generator", "SeedSequence"
    for module in ("_csr", "_csc", "_coo", "csr", "csc", "coo"):
        yield from ((f"scipy.sparse.{module}", name) for name in _SPARSE.split())
    yield "scipy.interpolate._interpolate", "interp1d"
    for module in ("builtins", "__builtin__"):
        yield from ((module, name) for name in _BUILTINS.split())
    yield from (("collections", name) for name in ("OrderedDict", "defaultdict", "Counter"))
    yield "copyreg", "_reconstructor"
    yield "copy_reg", "_reconstructor"
    yield "_codecs", "encode"
    yield "pathlib", "PurePosixPath"
    for module in ("sklearn.neighbors._kd_tree", "sklearn.neighbors._ball_tree"):
        yield module, "newObj"
    yield "sklearn.metrics._dist_metrics", "newObj"
    yield "joblib.numpy_pickle", "NumpyArrayWrapper"
    yield from (("torch", f"{name}Storage") for name in _STORAGES.split())
    yield from (("torch", name) for name in (*_DTYPES.split(), "Size", "device", "Tensor"))
    yield from (("torch.storage", name) for name in ("TypedStorage", "UntypedStorage"))
    yield from (
        ("torch._utils", f"_rebuild_{name}")
        for name in ("tensor", "tensor_v2", "parameter", "parameter_with_state")
    )


_EXACT = frozenset(_exact())


class Allowed:
    """The list, with the classes of one file of the user's where they named it."""

    def __init__(self, own: Path | None = None) -> None:
        self.own = own

    def check(self, module: str, name: str) -> None:
        """Raises Refused, naming it, unless a pickle may name ``name`` of ``module``."""
        if not self._permits(module, name):
            raise Refused(
                f"the pickle names {_shown(module)}.{_shown(name)}, which is not part of any"
                " model that may be read",
                "save the weights alone (state dict, safetensors), or, if it is a class of your"
                " own script, name it with --module FILE.py:CLASS",
            )

    def find(self, module: str, name: str) -> object:
        """What the name stands for, once it is seen to be what it says it is."""
        self.check(module, name)
        if self._is_own(module):
            return self._own_class(name)
        found = getattr(importlib.import_module(_moved(module)), name, None)
        # A class by another name would be something the module merely imported.
        listed = (module, name) in _EXACT or _is_compiled(module, name)
        if not listed and not _is_class_of(found, module, name):
            raise Refused(f"{_shown(module)}.{_shown(name)} is not a class of that package")
        if found is None:
            raise Refused(f"this environment has no {_shown(module)}.{_shown(name)}")
        return found

    def _permits(self, module: str, name: str) -> bool:
        if (module, name) in _EXACT or _is_compiled(module, name):
            return True
        if not name.isidentifier() or name.startswith("__"):
            return False
        if self._is_own(module):
            return True
        root = module.partition(".")[0]
        if root in _CLASSES_OF:
            return not _BUT_NOT.search(module)
        return bool(_TORCH_CLASSES.match(module))

    def _is_own(self, module: str) -> bool:
        return self.own is not None and module in {"__main__", self.own.stem}

    def _own_class(self, name: str) -> object:
        assert self.own is not None
        module = load_module(self.own)
        found = getattr(module, name, None)
        if not isinstance(found, type) or found.__module__ != module.__name__:
            raise Refused(f"{self.own.name} defines no class {_shown(name)}")
        return found


def load_module(path: Path) -> Any:
    """The user's own file as a module that is not the main one; loaded once."""
    known = sys.modules.get(path.stem)
    if known is not None and getattr(known, "__file__", None) == str(path):
        return known
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise Refused(f"{path.name} cannot be loaded as Python", "name a .py file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def _is_compiled(module: str, name: str) -> bool:
    return module in _CYTHON_IN and _CYTHON.fullmatch(name) is not None


def _is_class_of(found: object, module: str, name: str) -> bool:
    return (
        isinstance(found, type)
        and found.__name__ == name
        and found.__module__.partition(".")[0] == module.partition(".")[0]
    )


def _moved(module: str) -> str:
    """Names of Python 2, as protocol 2 and older write them."""
    return {"__builtin__": "builtins", "copy_reg": "copyreg"}.get(module, module)


def _shown(text: str) -> str:
    return text if re.fullmatch(r"[\w.]{1,80}", text) else repr(text[:80])
