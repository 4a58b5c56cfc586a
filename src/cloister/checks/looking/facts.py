"""What is known of a record once its plaintext was looked at; runs in the child only."""

from __future__ import annotations

from collections.abc import Mapping

from cloister.checks.looking.texts import image_text, words_of

_PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
_MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*")


def facts_of(kind: str, path: str, content: bytes, tesseract: str) -> Mapping[str, str]:
    """The facts of one record; what cannot be decoded says so as its ``look``."""
    try:
        if kind == "dicom":
            from cloister.checks.looking.scans import scan_facts

            facts, image = scan_facts(content)
        elif is_picture(path, content):
            from cloister.checks.looking.pictures import picture_facts

            facts, image = picture_facts(content)
        else:
            return words_of(content)
    except ImportError:
        return {"look": "no-library"}
    if image is None or not tesseract:
        return facts
    try:
        return {**facts, **image_text(image, tesseract)}
    except ImportError:  # drawing for the reader needs Pillow: told as text not looked for
        return facts


def thumbnail_of(kind: str, path: str, content: bytes) -> bytes | None:
    """A small PNG of an image; None for whatever is none or cannot be decoded."""
    try:
        if kind == "dicom":
            from cloister.checks.looking.scans import scan_facts

            _, image = scan_facts(content)
        elif is_picture(path, content):
            from cloister.checks.looking.pictures import picture_facts

            _, image = picture_facts(content)
        else:
            return None
        from cloister.checks.looking.images import small_png
    except ImportError:
        return None
    return None if image is None else small_png(image)


def is_picture(path: str, content: bytes) -> bool:
    """By content, or by name: what is named as a picture and is none is told as such."""
    return content.startswith(_MAGIC) or path.lower().endswith(_PICTURES)
