"""Checkpoints of a job on another machine, as they come while it runs: checked before anything
believes them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cloister.core.errors import NoSpace, Tampered
from cloister.runs.checkpoints import LARGEST, MOST, Checkpoint, Looks, Torn
from cloister.workflows.far.carrier import JOB, Carrier


class Resting:
    """What the job there is looked at for; one for a run, from its beginning.

    Raises Tampered for what was not asked for: another path, one twice, more often; and for
    content that is not as long as was said. NoSpace for more than ``room`` bytes at a time.
    """

    def __init__(
        self, looks: Looks, hear: Callable[[], Mapping[str, Any]], carrier: Carrier, room: int
    ) -> None:
        self._asked, self._take = looks.checkpoints, looks.take
        self._hear, self._carrier, self._room = hear, carrier, room
        self._looks, self._began_s = 0, time.monotonic()

    def take(self) -> None:
        """Takes in all that was found at one time, or raises."""
        self._looks += 1
        # Twice as often is no clock's doing; two for those that the line brings together.
        passed_s = time.monotonic() - self._began_s
        if self._looks > 2 + 2 * passed_s / self._asked.every_s:
            raise Tampered("a machine gives checkpoints more often than was asked")
        self._take(self._coming())

    def _coming(self) -> Iterator[Checkpoint]:
        seen, left = set[str](), self._room
        while (told := self._hear())["do"] == "checkpoint":
            path, size = os.fsdecode(told["path"]), told["size"]
            parts = path.split("/")
            if "\0" in path or {"", ".", ".."}.intersection(parts) or not self._asked.are(path):
                raise Tampered("a path that came back is of no checkpoint")
            if path in seen or len(seen) >= MOST:
                raise Tampered("a checkpoint came back twice")
            seen.add(path)
            left -= size
            if size < 0 or size > LARGEST or left < 0:
                raise NoSpace(
                    "a checkpoint is larger on the other machine than it could be here",
                    hint="have the job write less, or run it from a machine with more memory",
                )
            yield Checkpoint(path, size, self._content(size))
        if told["do"] != "looked":
            raise Tampered("what a job has ready ends in the middle")

    def _content(self, left: int) -> Iterator[bytes]:
        while (told := self._hear())["do"] == "content":
            self._carrier.took(JOB, told)
            left -= len(told["content"])
            if left < 0:
                raise Tampered("a checkpoint that came back is not as long as was said")
            yield told["content"]
        if told["do"] != "rested":
            raise Tampered("a checkpoint that came back ends in the middle")
        if not told["whole"]:
            raise Torn
        if left:
            raise Tampered("a checkpoint that came back is not as long as was said")
