"""Taking a file apart: every key is known, every value is what it has to be, or it is said."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from cloister.core.errors import BadInput


@dataclass(frozen=True, slots=True)
class Section:
    """One mapping of the file and where it stands there."""

    place: str
    values: Mapping[str, Any]

    @classmethod
    def of(cls, place: str, value: object) -> Section:
        """Raises BadInput for what is no mapping, or has keys that are no words."""
        if not isinstance(value, Mapping):
            wrong(place, f"expected keys and values, found {_kind(value)}")
        for name in value:
            if not isinstance(name, str):
                wrong(place, f"a key is a word, found {name!r}")
        return cls(place, value)

    def only(self, known: Iterable[str]) -> None:
        """Raises BadInput for any other key, with the nearest that is known."""
        names = sorted(known)
        for name in self.values:
            if name not in names:
                close = difflib.get_close_matches(name, names, 1)
                hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(names)}"
                raise BadInput(f"{self.at(name)}: unknown key", hint=hint)

    def at(self, name: str) -> str:
        """Where a key of it stands."""
        return f"{self.place}.{name}" if self.place else name

    def text(self, name: str) -> str | None:
        """A string; None where the key is not there."""
        value = self.values.get(name)
        if value is not None and not isinstance(value, str):
            wrong(self.at(name), f"expected text, found {_kind(value)}")
        return value

    def one_of(self, name: str, known: Iterable[str], otherwise: str | None = None) -> str:
        """One of some words."""
        names = sorted(known)
        value = self.values.get(name, otherwise)
        if value not in names:
            said = "nothing" if value is None else repr(value)
            close = difflib.get_close_matches(str(value), names, 1)
            hint = f"did you mean {close[0]}?" if close else None
            raise BadInput(
                f"{self.at(name)}: expected one of {', '.join(names)}, found {said}", hint=hint
            )
        return str(value)

    def number(self, name: str, otherwise: float | None = None) -> float:
        """A finite number; ``1e-4``, which YAML 1.1 reads as a word, is one."""
        value = self.values.get(name, otherwise)
        if isinstance(value, str):
            try:
                value = float(value)
            except ValueError:
                wrong(self.at(name), f"expected a number, found {value!r}")
        if isinstance(value, bool) or not isinstance(value, int | float):
            wrong(self.at(name), f"expected a number, found {_kind(value)}")
        if not math.isfinite(value):
            wrong(self.at(name), "expected a finite number")
        return value

    def count(self, name: str) -> int | None:
        """An integer from 1 up; None where the key is not there."""
        value = self.values.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            wrong(self.at(name), f"expected a whole number from 1 up, found {value!r}")
        return value


def wrong(place: str, what: str) -> NoReturn:
    """Raises BadInput."""
    raise BadInput(f"{place}: {what}" if place else what, hint="see docs/how-to/sweep.md")


def _kind(value: object) -> str:
    return "nothing" if value is None else type(value).__name__
