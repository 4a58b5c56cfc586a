"""Answers questions with a verified model over HTTPS, and puts every answer on record first.

Values come at once; what needs NumPy, ONNX Runtime or a web server is loaded when first named
(``serving.build_app``), so that importing this package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloister.serving._extra import load
from cloister.serving.tokens import HashedTokens
from cloister.serving.values import (
    Execution,
    Limits,
    PredictionFacts,
    Recorder,
    Served,
    TokenCheck,
    VerifiedModel,
)

if TYPE_CHECKING:
    from cloister.serving.app import InferenceApp, build_app
    from cloister.serving.server import Address, Application, HttpServer, HttpsServer, serve
    from cloister.serving.session import LoadedModel
    from cloister.serving.tensors import zeros
    from cloister.serving.tls import ServerIdentity

__all__ = [
    "Address",
    "Application",
    "Execution",
    "HashedTokens",
    "HttpServer",
    "HttpsServer",
    "InferenceApp",
    "Limits",
    "LoadedModel",
    "PredictionFacts",
    "Recorder",
    "Served",
    "ServerIdentity",
    "TokenCheck",
    "VerifiedModel",
    "build_app",
    "serve",
    "zeros",
]

_LATER = {
    "Address": "server",
    "Application": "server",
    "HttpServer": "server",
    "HttpsServer": "server",
    "InferenceApp": "app",
    "LoadedModel": "session",
    "ServerIdentity": "tls",
    "build_app": "app",
    "serve": "server",
    "zeros": "tensors",
}


def __getattr__(name: str) -> object:
    """Loads the module behind ``name`` when it is first asked for."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(load(f"cloister.serving.{_LATER[name]}"), name)
