"""Where in the user's file something was said: errors of a definition name file and line."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from cloister.core.errors import BadInput

_OURS = (str(Path(__file__).parent), contextmanager.__code__.co_filename)
"""`with` enters a block of ours by way of contextlib."""


class Place(NamedTuple):
    """A line of a file."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{Path(self.file).name}:{self.line}"


def here() -> Place:
    """The innermost line that is not of this package."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_OURS):
        frame = frame.f_back
    return Place(frame.f_code.co_filename, frame.f_lineno)


def wrong(place: Place, message: str, hint: str | None = None) -> BadInput:
    """The error to raise for what was said at ``place``."""
    return BadInput(f"{place}: {message}", hint=hint)
