"""The runner's plan as the inside reads it: records of byte strings, grouped by their verb."""

from __future__ import annotations

from _collections_abc import Sequence

from cloister.fence.inside.wire import unpack

Record = Sequence[bytes]


class Plan:
    """What to build and what to run; written by ``cloister.fence.planning``."""

    __slots__ = ("_records",)

    def __init__(self, data: bytes) -> None:
        self._records: dict[bytes, list[Record]] = {}
        for packed in unpack(data):
            verb, *fields = unpack(packed)
            self._records.setdefault(verb, []).append(fields)

    def all(self, verb: bytes) -> Sequence[Record]:
        """Every record of one verb, in order."""
        return self._records.get(verb, [])

    def one(self, verb: bytes) -> Record:
        """The fields of the only record of that verb; empty without one."""
        return next(iter(self.all(verb)), [])

    def has(self, verb: bytes) -> bool:
        """Whether there is such a record."""
        return verb in self._records
