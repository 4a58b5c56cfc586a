"""Facts of a decoded image: its size, its values, what it looks like in 64 bits."""

from __future__ import annotations

import base64
import hashlib
import math
import struct
import zlib
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Pixels: TypeAlias = "NDArray[Any]"  # (rows, columns) or (rows, columns, samples)
Gray: TypeAlias = "NDArray[np.float32]"  # (rows, columns)

LARGEST_BYTES = 256 << 20
"""Of one decoded image."""
_EXTREME, _LEAST_INK, _MOST_INK = 0.03, 40, 0.25
_SIDE, _LOW, _THUMB, _SMALL = 32, 8, 16, 128


def image_facts(pixels: Pixels) -> dict[str, str]:
    """What the checks need of one image.

    ``phash`` is the sign of the 63 lowest waves of a 32 x 32 reduction around their median
    (the discrete cosine transform; Zauner, 2010); a flat image has none.
    """
    height, width = pixels.shape[:2]
    low, high = float(pixels.min()), float(pixels.max())
    facts = {
        "look": "decoded",
        "width": str(width),
        "height": str(height),
        "channels": str(pixels.shape[2] if pixels.ndim > 2 else 1),
        "low": f"{low:g}",
        "high": f"{high:g}",
        "pixels": fingerprint(pixels, low, high),
    }
    if low == high:
        return facts | {"blank": "1"}
    small = reduced(grayscale(pixels), _SIDE)
    facts["mean"], facts["spread"] = f"{small.mean():.5g}", f"{small.std():.5g}"
    if small.max() <= small.min():
        return facts
    thumb = reduced(small, _THUMB)
    scaled = (thumb - thumb.min()) / max(float(thumb.max() - thumb.min()), 1e-12) * 255
    return facts | {
        "phash": perceptual_hash(small),
        "thumb": base64.b64encode(scaled.round().astype(np.uint8).tobytes()).decode(),
    }


def fingerprint(pixels: Pixels, low: float, high: float) -> str:
    """SHA-256 of values and shape, whatever file format they came in."""
    plain = np.ascontiguousarray(pixels)
    if plain.dtype.kind in "iu" and 0 <= low <= high < 256:
        plain = plain.astype(np.uint8)  # the same picture as PNG and as 16-bit DICOM
    found = hashlib.sha256(f"{plain.shape} {plain.dtype.str} ".encode())
    found.update(plain.data)
    return found.hexdigest()


def grayscale(pixels: Pixels) -> Gray:
    """One value a pixel, as float32; colour by the weights of ITU-R BT.601."""
    if pixels.ndim < 3:
        return pixels.astype(np.float32)
    if pixels.shape[2] < 3:
        return pixels[..., 0].astype(np.float32)
    weights = np.array([0.299, 0.587, 0.114], dtype=np.float32)
    weighted: Gray = pixels[..., :3].astype(np.float32) @ weights
    return weighted


def reduced(gray: Gray, side: int) -> Gray:
    """``side`` x ``side`` means over equal areas; a smaller image is spread out."""
    height, width = gray.shape
    found: Gray = np.linalg.multi_dot((_areas(height, side), gray, _areas(width, side).T))
    return found


@lru_cache(64)
def _areas(length: int, side: int) -> Gray:
    """How much of each of ``length`` pixels lies in each of ``side`` equal stretches."""
    edges = np.arange(side + 1) * (length / side)
    pixels = np.arange(length)
    begin = np.maximum(edges[:-1, None], pixels)
    end = np.minimum(edges[1:, None], pixels + 1)
    shares = np.maximum(end - begin, 0.0) * (side / length)
    return np.asarray(shares, dtype=np.float32)


def perceptual_hash(small: Gray) -> str:
    """64 bits, hex, of a 32 x 32 reduction."""
    waves = _cosines() @ small @ _cosines().T
    flat = waves.ravel()
    bits = flat > np.median(flat[1:])
    bits[0] = False  # the mean brightness says nothing
    return np.packbits(bits).tobytes().hex()


@cache
def _cosines() -> Gray:
    """The lowest rows of the orthonormal DCT-II."""
    place, wave = np.arange(_SIDE), np.arange(_LOW)[:, None]
    rows = np.cos(math.pi * (2 * place + 1) * wave / (2 * _SIDE)) * math.sqrt(2 / _SIDE)
    rows[0] /= math.sqrt(2)
    return np.asarray(rows, dtype=np.float32)


def eight_bits(pixels: Pixels) -> NDArray[np.uint8]:
    """Gray values as a screen shows them: the middle 99 of 100 stretched over 256."""
    gray = grayscale(pixels)
    low, high = np.percentile(gray, (0.5, 99.5))
    if high <= low:
        low, high = float(gray.min()), float(gray.max())
    scaled = (gray - low) / max(float(high - low), 1e-12)
    shown: NDArray[np.uint8] = (np.clip(scaled, 0, 1) * 255).astype(np.uint8)
    return shown


def extremes(pixels: Pixels) -> Iterator[NDArray[np.uint8]]:
    """The brightest pixels, then the darkest, black on white and twice as large.

    Only where they are as many as writing would be: most images are done without a reader.
    """
    from PIL import Image

    gray = grayscale(pixels)
    low, high = float(gray.min()), float(gray.max())
    margin = (high - low) * _EXTREME
    for chosen in (gray >= high - margin, gray <= low + margin):
        if _LEAST_INK <= int(chosen.sum()) <= chosen.size * _MOST_INK:
            drawn = Image.fromarray(np.where(chosen, 0, 255).astype(np.uint8))
            size = (2 * drawn.width, 2 * drawn.height)
            yield np.asarray(drawn.resize(size, Image.Resampling.BICUBIC))


def small_png(pixels: Pixels) -> bytes:
    """At most 128 pixels a side, gray."""
    view = eight_bits(pixels)
    step = max(1, math.ceil(max(view.shape) / _SMALL))
    return png(np.ascontiguousarray(view[::step, ::step]))


def png(gray: NDArray[np.uint8]) -> bytes:
    """A grayscale PNG (ISO/IEC 15948), unfiltered."""
    height, width = gray.shape
    raw = np.zeros((height, width + 1), dtype=np.uint8)
    raw[:, 1:] = gray
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(raw.tobytes(), 6)),
        (b"IEND", b""),
    )
    out = b"\x89PNG\r\n\x1a\n"
    for name, body in chunks:
        out += struct.pack(">I", len(body)) + name + body
        out += struct.pack(">I", zlib.crc32(name + body))
    return out
