"""Steps that are no Python function: a line of shell, a notebook, what others made."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import re
import shlex
import string
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from cloister.pipelines.nodes import current
from cloister.pipelines.places import here, wrong
from cloister.pipelines.tasks import TAKEN, Settings, Task, checked, checked_name
from cloister.pipelines.triggers import ASSETS, is_asset
from cloister.pipelines.values import File


def shell(command: str, *, name: str, outputs: Sequence[str] = (), **settings: Any) -> Task:
    """A task that runs ``command`` with ``sh``; each ``{word}`` in it is an argument, quoted.

    Its value is what the command prints, or the files named in ``outputs``. It fails where the
    command's exit status is not 0.
    """
    place = here()
    try:
        words = [field for _, field, _, _ in string.Formatter().parse(command) if field]
    except ValueError as error:
        raise wrong(
            place, f"{name}: {error}", "write {{ for a brace of the shell's own"
        ) from error
    files = (outputs,) if isinstance(outputs, str) else tuple(outputs)

    def run(**given: Any) -> Any:
        quoted = {word: shlex.quote(_text(value)) for word, value in given.items()}
        line = command.format(**quoted)
        done = subprocess.run(  # noqa: S603 - the user's own command, in the fence
            ["/bin/sh", "-ec", line], stdout=None if files else subprocess.PIPE, check=True
        )
        if files:
            found = [File(one) for one in files]
            return found[0] if len(found) == 1 else found
        return os.fsdecode(done.stdout)

    told = {"command": command, "outputs": list(files)}
    return _task(run, name, words, "shell", told, settings)


def notebook(
    file: str, *, name: str | None = None, parameters: Iterable[str] = (), **settings: Any
) -> Task:
    """A task that executes the code cells of a notebook, in order, in one namespace.

    ``parameters`` are set after the cell tagged ``parameters``, or before the first. The value
    is a dict: ``result`` is what the notebook left in a variable of that name, ``notebook`` the
    executed copy with what its cells printed. Magics are not understood.
    """
    place = here()
    source = Path(place.file).parent / file
    if not source.is_file():
        raise wrong(place, f"there is no notebook {file} beside the pipeline's file")
    content, stem = source.read_bytes(), source.stem
    told = {"notebook": hashlib.sha256(content).hexdigest()}

    def run(**given: Any) -> Any:
        executed, names = execute(json.loads(content), given)
        target = Path(f"{stem}.executed.ipynb")
        target.write_text(json.dumps(executed, indent=1, ensure_ascii=False))
        return {"notebook": File(target.name), "result": names.get("result")}

    return _task(run, name or source.stem, list(parameters), "notebook", told, settings)


def made(asset: str) -> Any:
    """What the task gave that made ``asset`` new last, of whatever pipeline, as a step of this.

    Its value is settled when the run begins: what takes it is made again if, and only if, that
    is another than before.
    """
    place = here()
    if not is_asset(asset):
        raise wrong(place, f"{asset!r} is no asset", ASSETS)

    def run() -> None:
        """Never called: the value is there."""

    name = checked_name(re.sub("[^A-Za-z0-9_.-]", ".", asset)[:64], place)
    return current().add(Task(run, name, Settings(), place, f"{TAKEN}:{asset}"), {}, place)


def execute(
    book: dict[str, Any], given: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The notebook with its outputs, and the variables that it left; raises what cells do."""
    names: dict[str, Any] = {"__name__": "__main__"}
    cells = book["cells"]
    tagged = [n for n, one in enumerate(cells) if "parameters" in _tags(one)]
    first = tagged[0] if tagged else -1
    if first < 0:
        names.update(given)
    for number, cell in enumerate(cells):
        if cell["cell_type"] == "code":
            text = "".join(cell["source"])
            printed = StringIO()
            with redirect_stdout(_Both(printed)):
                exec(compile(text, f"cell {number + 1}", "exec"), names)  # noqa: S102 - in the fence
            said = {"output_type": "stream", "name": "stdout", "text": printed.getvalue()}
            cell["outputs"] = [said] if printed.getvalue() else []
        if number == first:
            names.update(given)
    return book, names


class _Both(StringIO):
    """Writes for the notebook, and for the log."""

    def __init__(self, kept: StringIO) -> None:
        super().__init__()
        self._kept = kept

    def write(self, text: str) -> int:
        sys.__stdout__ and sys.__stdout__.write(text)
        return self._kept.write(text)


def _tags(cell: dict[str, Any]) -> list[str]:
    return list(cell.get("metadata", {}).get("tags", []))


def _text(value: Any) -> str:
    return (
        str(value) if isinstance(value, str | int | float | os.PathLike) else json.dumps(value)
    )


def _task(
    run: Callable[..., Any],
    name: str,
    words: Sequence[str],
    kind: str,
    told: dict[str, Any],
    settings: dict[str, Any],
) -> Task:
    place = here()
    for word in words:
        if not word.isidentifier():
            raise wrong(place, f"{name}: {word!r} is no name of an argument")
    kinds = inspect.Parameter.KEYWORD_ONLY
    listed = [inspect.Parameter(word, kinds) for word in dict.fromkeys(words)]
    run.__signature__ = inspect.Signature(listed)  # type: ignore[attr-defined]
    return Task(run, checked_name(name, place), checked(settings, place), place, kind, told)
