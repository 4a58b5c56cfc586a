"""Writes a plan: the records that ``cloister.fence.inside`` reads and carries out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from cloister.fence.inside.wire import pack

Field = bytes | int | str | os.PathLike[str]


def _bytes(field: Field) -> bytes:
    if isinstance(field, bytes):
        return field
    return b"%d" % field if isinstance(field, int) else os.fsencode(field)


class PlanWriter:
    """Collects records in order; paths keep the bytes they have on disk."""

    def __init__(self) -> None:
        self._records: list[bytes] = []

    def add(self, verb: str, *fields: Field) -> None:
        """One record."""
        self._records.append(pack([verb.encode(), *(_bytes(field) for field in fields)]))

    def step(self, verb: str, *fields: Field) -> None:
        """One step in building the new root."""
        self.add("step", verb, *fields)

    def command(self, argv: Iterable[str], env: Mapping[str, str], folder: Field) -> None:
        """What to execute, with what environment, where."""
        self.add("argv", *argv)
        self.add("env", *(f"{name}={value}" for name, value in sorted(env.items())))
        self.add("cwd", folder)

    def encoded(self) -> bytes:
        """The whole plan."""
        return pack(self._records)
