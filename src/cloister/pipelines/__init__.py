"""Pipelines: tasks, their order, and what starts them; nothing here knows a store or a key.

Re-exports lazily: scripts in the fence import this, and their start-up time is job time.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cloister.pipelines.building import group, param, pipeline, unless, when
    from cloister.pipelines.commands import made, notebook, shell
    from cloister.pipelines.nodes import dataset, either, labels_of
    from cloister.pipelines.tasks import task
    from cloister.pipelines.triggers import asset, cron, every
    from cloister.pipelines.values import File

HOMES = {
    "File": "values",
    "asset": "triggers",
    "cron": "triggers",
    "dataset": "nodes",
    "either": "nodes",
    "every": "triggers",
    "group": "building",
    "labels_of": "nodes",
    "made": "commands",
    "notebook": "commands",
    "param": "building",
    "pipeline": "building",
    "shell": "commands",
    "task": "tasks",
    "unless": "building",
    "when": "building",
}

__all__ = [
    "File",
    "asset",
    "cron",
    "dataset",
    "either",
    "every",
    "group",
    "labels_of",
    "made",
    "notebook",
    "param",
    "pipeline",
    "shell",
    "task",
    "unless",
    "when",
]


def __getattr__(name: str) -> object:
    if name not in HOMES:
        raise AttributeError(name)
    from importlib import import_module

    return getattr(import_module(f"cloister.pipelines.{HOMES[name]}"), name)
