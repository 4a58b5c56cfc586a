"""``python -m cloister.pipelines.inside``: the worker; with a folder, one call and its end."""

from __future__ import annotations

import os
import select
import sys
import time
from pathlib import Path

import msgpack  # type: ignore[import-untyped]

from cloister.core.errors import CloisterError
from cloister.pipelines.inside.children import Child, adopt_orphans, end_orphans
from cloister.pipelines.inside.loading import load
from cloister.pipelines.inside.worker import Worker

RESULT = Path(".cloister/value")


def main(arguments: list[str]) -> int:
    """Serves on the standard descriptors, which the user's code then does not have."""
    if arguments:
        return one(Path(arguments[0]))
    source, sink = os.dup(0), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    Worker(source, sink).serve()
    return 0


def one(place: Path) -> int:
    """Makes the call that ``place`` tells of; leaves its value in the working folder."""
    told = msgpack.unpackb((place / "call").read_bytes(), strict_map_key=False)
    try:
        loaded = load(told["file"], told["name"], told["chosen"])
    except CloisterError as error:
        print(error.message, file=sys.stderr)  # noqa: T201 - it is the log
        return 2
    adopt_orphans()
    child = Child.start(
        loaded.tasks[told["task"]],
        told | {"at": str(place)},
        own_log=False,
        with_files=False,
    )
    while not _ended(child):
        child.expire()
    answer = child.finish()
    end_orphans(lambda _: False)
    if not answer["ok"]:
        print(f"{told['step']}: {answer['error']}", file=sys.stderr)  # noqa: T201
        return int(answer.get("exit", 1))
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_bytes(answer["value"])
    return 0


def _ended(child: Child) -> bool:
    left = None if child.deadline_s is None else max(0.0, child.deadline_s - time.monotonic())
    return bool(select.select([child.watch], [], [], left)[0])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
