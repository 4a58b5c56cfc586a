"""Runs other people's code beside patient data: nothing leaves, everything it tried is counted.

Re-exports lazily: the interpreter inside a fence imports this package too, and its start-up
time is fence time.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cloister.fence.cache import scratch, sweep
    from cloister.fence.changes import Captured, Change, ChangeKind, Changes
    from cloister.fence.environment import job_environment
    from cloister.fence.filling import File, Files, Folder
    from cloister.fence.interpreters import interpreter_paths
    from cloister.fence.probing import Probe, probe
    from cloister.fence.session import run, shell
    from cloister.fence.spec import Door, FenceSpec, Mount, Watch

_HOMES = {
    "Captured": "changes",
    "Change": "changes",
    "ChangeKind": "changes",
    "Changes": "changes",
    "Door": "spec",
    "FenceSpec": "spec",
    "File": "filling",
    "Files": "filling",
    "Folder": "filling",
    "Mount": "spec",
    "Probe": "probing",
    "Watch": "spec",
    "interpreter_paths": "interpreters",
    "job_environment": "environment",
    "probe": "probing",
    "run": "session",
    "scratch": "cache",
    "shell": "session",
    "sweep": "cache",
}

__all__ = [
    "Captured",
    "Change",
    "ChangeKind",
    "Changes",
    "Door",
    "FenceSpec",
    "File",
    "Files",
    "Folder",
    "Mount",
    "Probe",
    "Watch",
    "interpreter_paths",
    "job_environment",
    "probe",
    "run",
    "scratch",
    "shell",
    "sweep",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(name)
    from importlib import import_module

    return getattr(import_module(f"cloister.fence.{_HOMES[name]}"), name)
