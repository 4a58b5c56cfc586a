"""One call of a task: arguments put together, the function called, its result packed."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cloister.core.errors import BadInput
from cloister.pipelines.tasks import Task
from cloister.pipelines.values import (
    DATASET,
    EITHER,
    FILE,
    LABELS,
    LARGEST,
    NODE,
    decode,
    encode,
    file_names,
)


def call(task: Task, told: Mapping[str, Any], *, with_files: bool) -> dict[str, Any]:
    """Calls it; what went wrong is part of the answer. ``with_files``: their bytes too."""
    try:
        with _inputs(told) as places:
            given = _arguments(told, places)
            value = encode(task.function(**given))
            names = file_names(value)
            _check_sizes(value, names)
            files = [[name, Path(name).read_bytes()] for name in names] if with_files else []
            return {"ok": True, "value": value, "files": files}
    except BaseException as error:  # of a call, the outermost loop
        if isinstance(error, KeyboardInterrupt):
            raise
        traceback.print_exception(_without_ours(error), file=sys.stderr)
        return {"ok": False, "error": type(error).__name__}
    finally:
        sys.stdout.flush()  # a call's process ends without ceremony
        sys.stderr.flush()


def _without_ours(error: BaseException) -> BaseException:
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return error.with_traceback(trace)


@contextmanager
def _inputs(told: Mapping[str, Any]) -> Any:
    """Folders that hold the files of values, by step; written here if they came along."""
    if "at" in told:
        yield {int(number): Path(told["at"]) / number for number in told["folders"]}
        return
    if not told["files"]:
        yield {}
        return
    root = Path(tempfile.mkdtemp(prefix="values-"))
    try:
        places: dict[int, Path] = {}
        for number, files in told["files"].items():
            places[number] = root / str(number)
            for name, content in files:
                path = places[number] / _inner(name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
        yield places
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _arguments(told: Mapping[str, Any], places: Mapping[int, Path]) -> dict[str, Any]:
    given: dict[str, Any] = decode(told["arguments"], lambda c, d: _found(c, d, told, places))
    part = told.get("part")
    if part is not None:
        step, item = part
        given[told["over"]] = _value(item, step, places)
    return given


def _found(code: int, data: bytes, told: Mapping[str, Any], places: Mapping[int, Path]) -> Any:
    if code == DATASET:
        return Path(told["datasets"][data.decode()])
    if code == LABELS:
        return Path(told["labels"][data.decode()])
    if code == NODE:
        number = int(data)
        packed = told["values"].get(number)  # a list that is mapped over stays outside
        return None if packed is None else _value(packed, number, places)
    if code == EITHER:
        number = next(one for one in decode(data) if one in told["values"])
        return _value(told["values"][number], number, places)
    raise BadInput(f"an argument holds the unknown extension {code}")


def _value(packed: bytes, number: int, places: Mapping[int, Path]) -> Any:
    def found(code: int, data: bytes) -> Any:
        if code == FILE and number in places:
            return places[number] / _inner(os.fsdecode(data))
        raise BadInput("a value names a file that did not come along")

    return decode(packed, found)


def _inner(name: str) -> str:
    """A name that stays in its folder."""
    path = Path(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise BadInput("a file that a task gives lies in its working folder")
    return name


def _check_sizes(value: bytes, names: Sequence[str]) -> None:
    if len(value) + sum(map(_size, names)) > LARGEST:
        raise BadInput("what a task gives is at most 1 GiB in all")


def _size(name: str) -> int:
    """Of a file that may be given; raises BadInput for any other."""
    status = Path(_inner(name)).lstat()
    if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST:
        raise BadInput("what a task gives is a regular file of at most 1 GiB")
    return status.st_size
