"""Text in files and, where tesseract is installed, in images."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from cloister.core.tokens import candidates

if TYPE_CHECKING:
    from cloister.checks.looking.images import Pixels

_LARGEST_TEXT = 4 << 20
_MOST_WORDS = 4000
_SURE = 70.0
"""Of 100: below, tesseract reads text into texture."""
_LEAST_WORD, _READABLE = 3, 4
_LONGEST_S = 20


def words_of(content: bytes) -> dict[str, str]:
    """What may be an id in a file of text; nothing for whatever is none."""
    if not content or len(content) > _LARGEST_TEXT or b"\0" in content[:4096]:
        return {}
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return {}
    words = list(candidates(text))[:_MOST_WORDS]
    return {"words": "\n".join(words)} if words else {}


def image_text(pixels: Pixels, tesseract: str) -> dict[str, str]:
    """``ocr``: what may be an id; ``ocr_letters``: how many letters were read, surely.

    Read from the brightest pixels alone and, where those say nothing, from the darkest: text
    is burned in with extreme values, and tesseract is blind to it in the midst of a picture.
    """
    from cloister.checks.looking.images import extremes, png

    words: list[str] = []
    for drawing in extremes(pixels):
        try:
            done = subprocess.run(  # noqa: S603 - the program that the caller found, no shell
                [tesseract, "stdin", "stdout", "--psm", "11", "tsv"],
                input=png(drawing),
                capture_output=True,
                timeout=_LONGEST_S,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            return {}
        words = _sure_words(done.stdout.decode("utf-8", "replace"))
        if sum(map(str.isalnum, "".join(words))) >= _READABLE:
            break
    letters = sum(map(str.isalnum, "".join(words)))
    return {"ocr": "\n".join(candidates(" ".join(words))), "ocr_letters": str(letters)}


def _sure_words(table: str) -> list[str]:
    """The words of tesseract's table that it is sure of."""
    found = []
    for line in table.splitlines()[1:]:
        cells = line.split("\t")
        if len(cells) < 12:
            continue
        word = cells[11].strip()
        if float(cells[10]) >= _SURE and sum(map(str.isalnum, word)) >= _LEAST_WORD:
            found.append(word)
    return found
