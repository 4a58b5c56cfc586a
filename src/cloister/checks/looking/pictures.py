"""PNG, JPEG, TIFF and BMP through Pillow."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from cloister.checks.looking.images import LARGEST_BYTES, Pixels, image_facts
from cloister.core.tokens import candidates

_FORMATS = ("PNG", "JPEG", "TIFF", "BMP")
_LONGEST_TEXT = 1 << 16
# What Pillow raises on damaged files.
_DAMAGE = (
    *(OSError, ValueError, SyntaxError, IndexError, KeyError, TypeError, OverflowError),
    *(EOFError, struct.error, zlib.error, UnidentifiedImageError, AttributeError),
)


def picture_facts(content: bytes) -> tuple[dict[str, str], Pixels | None]:
    """Facts and pixels; no pixels where they cannot be decoded or are too many."""
    Image.MAX_IMAGE_PIXELS = None  # counted here, before anything is decoded
    try:
        with Image.open(BytesIO(content), formats=_FORMATS) as image:
            width, height = image.size
            if width * height * max(1, len(image.getbands())) > LARGEST_BYTES:
                return {"look": "too-large"}, None
            words = _words(image)
            image.load()
            plain = image if image.mode in {"L", "RGB", "I;16", "I", "F"} else _plain(image)
            pixels = np.asarray(plain)
            facts = image_facts(pixels) | {"format": str(image.format)}
    except _DAMAGE:
        return {"look": "undecodable"}, None
    return (facts | {"words": words} if words else facts), pixels


def _plain(image: Image.Image) -> Image.Image:
    return image.convert("L" if image.mode in {"1", "LA"} else "RGB")


def _words(image: Image.Image) -> str:
    """What may be an id in comments and text chunks."""
    found: list[str] = []
    for value in image.info.values():
        text = value.decode("latin-1") if isinstance(value, bytes) else value
        if isinstance(text, str) and text.isprintable():
            found += candidates(text[:_LONGEST_TEXT])
    return "\n".join(dict.fromkeys(found))
