"""What stops a conversion, in words for whoever asked for it."""

from __future__ import annotations


class Refused(Exception):
    """The file will not be read or converted: why, and what to do next."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def missing(package: str, what: str) -> Refused:
    """A package that the user's own environment lacks."""
    return Refused(
        f"the environment of the run has no {package}, which {what} needs",
        f"install it there: pip install {package}; or choose another Python with --python",
    )
