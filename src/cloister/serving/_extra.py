"""Loads what only serving needs, and says how to get it when it is not there."""

from __future__ import annotations

import importlib
from types import ModuleType

from cloister.core.errors import BadInput


def load(name: str) -> ModuleType:
    """The module ``name``; raises BadInput if a library it needs is not installed."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise BadInput(
            f"serving needs a library that is not installed: {error.name}",
            hint="pip install 'cloister[serve]'",
        ) from error
