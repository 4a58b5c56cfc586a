"""What a job waits at until the test lets it go on, however slow the machine is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SHUT = 'while open("gate").read() == "shut": __import__("time").sleep(0.05)'
"""For a script: waits while the gate of its working folder is shut."""
SHUT_IN_A_SHELL = "while grep -q shut gate; do sleep 0.1; done"


class Gate:
    """A file of a working folder.

    It is there before the job begins and is changed in place: a fence shows what a file says
    now, but not that one came or went.
    """

    def __init__(self, folder: Path, name: str = "gate") -> None:
        self._path = folder / name

    def open(self) -> None:
        """Lets go on who waits, and who comes."""
        self._path.write_text("open")

    @contextmanager
    def shut(self) -> Iterator[None]:
        """Who comes waits; when the block ends, however that is, all go on."""
        self._path.write_text("shut")
        try:
            yield
        finally:
            self.open()
