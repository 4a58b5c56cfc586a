"""The user's file, read once: its pipelines, and their tasks to call."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cloister.core.errors import BadInput, CloisterError
from cloister.pipelines.building import COLLECTING, Pipeline, Pipelines
from cloister.pipelines.plan import describe, unsearched
from cloister.pipelines.tasks import Task


@dataclass(frozen=True, slots=True)
class Loaded:
    """A pipeline as it was read."""

    plan: bytes
    tasks: list[Task]


def load(file: str, name: str | None, chosen: Mapping[str, str]) -> Loaded:
    """Runs the file; raises BadInput for what it does not define, or defines wrongly."""
    found = Pipelines(chosen)
    token = COLLECTING.set(found)
    try:
        with unsearched():
            _execute(Path(file))
            return _described(found, file, name, chosen)
    finally:
        COLLECTING.reset(token)


def _described(
    found: Pipelines, file: str, name: str | None, chosen: Mapping[str, str]
) -> Loaded:
    pipeline = _chosen(found.made, name, Path(file).name)
    unknown = sorted(set(chosen) - set(pipeline.parameters))
    if unknown:
        have = ", ".join(pipeline.parameters) or "none"
        raise BadInput(
            f"{pipeline.name} has no parameter {unknown[0]}", hint=f"parameters: {have}"
        )
    return Loaded(*describe(pipeline, Path.cwd()))


def _execute(file: Path) -> None:
    file = file.resolve()
    if not file.is_file():
        raise BadInput(f"there is no file {file.name} in the working folder")
    for folder in (str(Path.cwd()), str(file.resolve().parent)):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise BadInput(f"{file.name} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module  # what its functions call is looked up there
    try:
        spec.loader.exec_module(module)
    except CloisterError:
        raise
    except BaseException as error:
        raise BadInput(explained(error, file)) from error


def explained(error: BaseException, file: Path) -> str:
    """``file.py:12: ValueError: what it says``, of the innermost line in the user's folder."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{Path(error.filename).name}:{error.lineno}: SyntaxError: {error.msg}"
    frames = traceback.extract_tb(error.__traceback__)
    folders = (file.resolve().parent, Path.cwd())
    own = [one for one in frames if Path(one.filename).resolve().parent in folders]
    at = f"{Path(own[-1].filename).name}:{own[-1].lineno}: " if own else ""
    return f"{at}{type(error).__name__}: {error}"[:2000]


def _chosen(made: list[Pipeline], name: str | None, file: str) -> Pipeline:
    names = [one.name for one in made]
    if not made:
        raise BadInput(f"{file} defines no pipeline", hint="write `with cl.pipeline(NAME):`")
    if twice := sorted({one for one in names if names.count(one) > 1}):
        raise BadInput(f"{file} defines {twice[0]} twice")
    if name is None and len(made) > 1:
        raise BadInput(f"{file} defines {', '.join(names)}", hint=f"{file}:{names[0]}")
    if name is not None and name not in names:
        raise BadInput(f"{file} defines no pipeline {name}", hint=f"it has {', '.join(names)}")
    return made[names.index(name) if name is not None else 0]
