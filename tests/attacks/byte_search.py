"""Looking for words in every byte of a folder, in all the spellings a leak might have."""

from __future__ import annotations

import base64
import os
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

OF_TESTS = ("cl-", "pytest-of-")
"""How folders for temporary files begin that some test has to itself."""
_OPEN = (Path("/var/tmp"), Path("/dev/shm"), Path("/run"))
_LETTERS = 8
"""A word counts as found by its first letters: a name cut short is a leak as well."""
_KEY_BYTES = 8
_PIECE_BYTES, _OVERLAP_BYTES = 32 << 20, 64


@dataclass(frozen=True, slots=True)
class Hit:
    """One word found where it should not be."""

    path: str
    word: str
    spelling: str


class ByteSearch:
    """Finds any of some hundred words, which differ in their first eight letters."""

    def __init__(self, words: Iterable[str]) -> None:
        found: dict[bytes, list[tuple[bytes, str, str]]] = {}
        for word in words:
            for spelling, pattern in _spellings(word[:_LETTERS]):
                assert len(pattern) >= _KEY_BYTES
                found.setdefault(pattern[:_KEY_BYTES], []).append((pattern, word, spelling))
        self._meaning = found
        self._pairs = np.zeros((_KEY_BYTES // 2, 1 << 16), dtype=bool)
        for key in found:
            self._pairs[range(_KEY_BYTES // 2), np.frombuffer(key, dtype=">u2")] = True

    def in_bytes(self, content: bytes) -> list[tuple[str, str]]:
        """(word, spelling) of everything found."""
        data = np.frombuffer(content, dtype=np.uint8).astype(np.uint16)
        length = len(data) - _KEY_BYTES + 1
        if length <= 0:
            return []
        pairs = (data[:-1] << 8) | data[1:]
        places = np.flatnonzero(self._pairs[0][pairs[:length]])
        for number, known in enumerate(self._pairs[1:], start=1):
            places = places[known[pairs[places + 2 * number]]]
        return sorted(
            {
                (word, spelling)
                for at in places
                for pattern, word, spelling in self._meaning.get(
                    content[at : at + _KEY_BYTES], ()
                )
                if content.startswith(pattern, at)
            }
        )

    def below(self, folders: Sequence[Path], since: float = 0.0) -> list[Hit]:
        """In the names, link targets and bytes of everything there that changed ``since``."""
        return self._hits(path for folder in folders for path in _entries(folder, since))

    def in_the_open(self, since: float) -> list[Hit]:
        """In what anybody may write to on this machine and changed ``since``.

        Of the folders for temporary files only new ones are gone through, and no other test's:
        a machine may have millions of files there.
        """

        def is_new(folder: Path) -> bool:
            with suppress(OSError):  # gone meanwhile
                changed = folder.lstat().st_mtime
                return changed >= since and not folder.name.startswith(OF_TESTS)
            return False

        temporary = Path(tempfile.gettempdir())
        return self.below(_OPEN, since) + self._hits(_entries(temporary, since, is_new))

    def _hits(self, paths: Iterable[Path]) -> list[Hit]:
        return [
            Hit(str(path), word, spelling)
            for path in paths
            for piece in _pieces(path)
            for word, spelling in self.in_bytes(piece)
        ]


def _entries(
    folder: Path, since: float, enters: Callable[[Path], bool] | None = None
) -> Iterator[Path]:
    """``enters`` says into which folders directly in this one to go; None: all."""
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(parent, name)
            try:
                changed = path.lstat().st_mtime
            except OSError:  # it was there a moment ago
                continue
            if changed >= since:
                yield path
        if enters and Path(parent) == folder:
            folders[:] = [name for name in folders if enters(folder / name)]


def _pieces(path: Path) -> Iterator[bytes]:
    """The entry's name, and what it holds; a large file in pieces that overlap."""
    yield os.fsencode(path.name)
    try:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            yield os.fsencode(path.readlink())
        elif stat.S_ISREG(mode):
            with path.open("rb") as file:
                kept = b""
                while piece := file.read(_PIECE_BYTES):
                    yield kept + piece
                    kept = piece[-_OVERLAP_BYTES:]
    except OSError:  # gone meanwhile
        return


def _spellings(word: str) -> Iterator[tuple[str, bytes]]:
    cases: dict[str, Callable[[str], str]] = {
        "plain": str,
        "lower case": str.lower,
        "upper case": str.upper,
        "reversed case": str.swapcase,
    }
    for name, change in cases.items():
        text = change(word)
        yield name, text.encode()
        yield f"{name}, UTF-16 LE", text.encode("utf-16-le")
        yield f"{name}, UTF-16 BE", text.encode("utf-16-be")
        yield f"{name}, hex", text.encode().hex().encode()
        yield f"{name}, HEX", text.encode().hex().upper().encode()
        for start in range(3):
            yield f"{name}, base64 at {start}", _base64_inside(text.encode(), start)
    yield "backwards", word[::-1].encode()


def _base64_inside(raw: bytes, start: int) -> bytes:
    """The letters that base64 gives ``raw`` for sure, ``start`` bytes into a longer text."""
    whole = base64.b64encode(bytes(start) + raw)
    first = -(-8 * start // 6)
    last = 8 * (start + len(raw)) // 6
    return whole[first:last]
