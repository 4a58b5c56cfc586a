"""A call of a step: what is begun, tried, recorded and used again."""

from __future__ import annotations

from typing import NamedTuple

WHOLE = -1
"""The part of a step that is not mapped."""


class Job(NamedTuple):
    """One call: a step, or one item of a mapped step."""

    step: int
    part: int = WHOLE

    def named(self, step: str) -> str:
        """What it is called where its step is called ``step``: of a mapped one ``clean[3]``."""
        return step if self.part == WHOLE else f"{step}[{self.part}]"
