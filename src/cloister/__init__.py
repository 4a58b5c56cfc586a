"""Train and serve models on patient data that may not leave the building, and prove it."""

__version__ = "0.1.0"

_FOR_SCRIPTS = {"seeding": "cloister.training.seeding"}
"""What a training script may want, loaded when it is asked for."""
_FOR_PIPELINES = frozenset(
    {
        "File", "asset", "cron", "dataset", "either", "every", "group", "labels_of", "made",
        "notebook", "param", "pipeline", "shell", "task", "unless", "when",
    }
)  # fmt: skip
"""What a pipeline is written with, from ``cloister.pipelines``."""


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name in _FOR_PIPELINES:
        return getattr(import_module("cloister.pipelines"), name)
    if name not in _FOR_SCRIPTS:
        raise AttributeError(f"module 'cloister' has no attribute {name!r}")
    return import_module(_FOR_SCRIPTS[name])
