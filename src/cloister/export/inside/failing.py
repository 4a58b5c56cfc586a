"""What stops a conversion, in words for whoever asked for it."""

from __future__ import annotations


class Refused(Exception):
    """The file will not be read or converted: why, and what to do next."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


_DISTRIBUTIONS = {"sklearn": "scikit-learn", "skl2onnx": "skl2onnx", "PIL": "pillow"}


def missing_module(name: str) -> Refused:
    """A module that the file, or the user's own code, asked for."""
    root = name.partition(".")[0]
    return missing(_DISTRIBUTIONS.get(root, root), "what the run left")


def missing(package: str, what: str) -> Refused:
    """A package that the user's own environment lacks."""
    return Refused(
        f"the environment of the run has no {package}, which {what} needs",
        f"install it there: pip install {package}; or choose another Python with --python",
    )
