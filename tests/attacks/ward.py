"""A folder of patients that can be told from everything else on the machine."""

from __future__ import annotations

import random
from pathlib import Path

_LARGE = (1 << 20) + 4096  # such files are streamed into an object of their own


class Ward:
    """A folder that grows between the attempts, and what is known of each file in it."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._random = random.Random(seed)
        self.words: list[str] = []
        self.paths: set[str] = set()

    def grow(self) -> None:
        """Three more patients: forty small files, now and then a large one."""
        for _ in range(3):
            name = f"Pt{self._random.randrange(10**10):010d}"
            self.words.append(name)
            (self._folder / name).mkdir(parents=True)
            for number in range(13):
                self._write(f"{name}/{number}.txt", f"{name} scan {number}\n".encode() * 50)
        if self._random.random() < 0.3:
            self._write(f"{name}/large", name.encode() + self._random.randbytes(_LARGE))

    def _write(self, path: str, content: bytes) -> None:
        (self._folder / path).write_bytes(content)
        self.paths.add(path)
