"""Runs one job as ordered in JSON: in this process, or as a script under another user."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from pathlib import Path
from typing import Any

from cloister.core.errors import CloisterError
from cloister.core.values import FenceLevel
from cloister.fence import Change, Changes, Door, FenceSpec, Mount, run

Order = dict[str, Any]


def drive(order: Order) -> Order:
    """``argv`` and ``workdir``, and any field of FenceSpec in JSON's terms; what came of it."""
    said: dict[str, bytes] = {"output": b"", "errors": b""}
    changes: list[list[Any]] = []
    left_out: list[list[str]] = []

    def hear(name: str, data: bytes) -> None:
        said[name] += data

    def capture(found: Changes) -> None:
        for change in found:
            changes.append([change.path, change.kind, change.link, _content(change)])
        left_out.extend([one.path, one.why] for one in found.left_out)

    try:
        report = run(
            spec_of(order),
            on_output=lambda data: hear("output", data),
            on_error=lambda data: hear("errors", data),
            capture=capture,
        )
    except CloisterError as error:
        return {"error": [type(error).__name__, error.message, error.hint]}
    facts = {name: getattr(report, name) for name in type(report).__slots__}
    texts = {name: data.decode(errors="replace") for name, data in said.items()}
    return {**facts, **texts, "changes": changes, "left_out": left_out}


def _content(change: Change) -> str | None:
    if change.kind == "removed" or change.link is not None or change.size_bytes > 1 << 20:
        return None
    with change.open() as file:
        return file.read().decode("latin-1")


def spec_of(order: Order) -> FenceSpec:
    """The FenceSpec that ``order`` describes."""
    fields = dict(order)
    fields["argv"] = tuple(fields["argv"])
    fields["workdir"] = Path(fields["workdir"])
    fields["required"] = FenceLevel(fields.get("required", "partial"))
    for name in ("reads", "hidden", "devices"):
        fields[name] = tuple(Path(path) for path in fields.get(name, ()))
    fields["data"] = tuple(_mount(**mount) for mount in fields.get("data", ()))
    if "door" in fields:
        fields["door"] = Door(fields["door"], {"DOOR": str(fields["door"])}, _greet)
    return FenceSpec(**fields)


def _mount(path: str, files: dict[str, str], **others: Any) -> Mount:
    def fill(folder: int) -> None:
        for name, text in files.items():
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            with os.fdopen(os.open(name, flags, 0o644, dir_fd=folder), "w") as file:
                file.write(text)

    return Mount(Path(path), fill, **others)


def _greet(listener: int) -> None:
    """Says one word to whoever knocks first."""

    def answer() -> None:
        with socket.socket(fileno=listener) as door, door.accept()[0] as caller:
            caller.sendall(b"welcome")

    threading.Thread(target=answer).start()


if __name__ == "__main__":
    json.dump(drive(json.load(sys.stdin)), sys.stdout)
