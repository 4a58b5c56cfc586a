"""Train and serve models on patient data that may not leave the building, and prove it."""

__version__ = "0.1.0"

_FOR_SCRIPTS = {"seeding": "cloister.training.seeding"}
"""What a training script may want, loaded when it is asked for."""


def __getattr__(name: str) -> object:
    if name not in _FOR_SCRIPTS:
        raise AttributeError(f"module 'cloister' has no attribute {name!r}")
    from importlib import import_module

    return import_module(_FOR_SCRIPTS[name])
