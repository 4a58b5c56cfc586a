"""Stable codes with a sentence each, for what happens to one entry among many."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Code(StrEnum):
    """Equal to its code, so JSON and SQL take it; ``reason`` says it in words.

    Neither ever holds patient data. Subclasses list ``NAME = "code", "reason"``.
    """

    reason: str

    def __new__(cls, code: str, reason: str) -> Self:
        """One member."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.reason = reason
        return member

    @classmethod
    def of(cls, code: str) -> Self:
        """The member with this code; raises KeyError."""
        return {member.value: member for member in cls}[code]
