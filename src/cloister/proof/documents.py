"""Reading what we signed: canonical JSON in, a value out, or NotVerified."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NoReturn, TypeVar, cast

from cloister.core.canonical import Json, canonical
from cloister.core.errors import BadInput, NotVerified

T = TypeVar("T")


def read_document(data: bytes, what: str) -> dict[str, Json]:
    """The object in ``data``; raises NotVerified unless it is canonical JSON to the last byte.

    One value has one spelling, so doubled keys, other spacing, floats of another length and
    lone surrogates cannot ride along with a valid signature.
    """
    try:
        value = json.loads(
            data.decode(), parse_float=_refuse_number, parse_constant=_refuse_number
        )
        same = canonical(value) == data
    except (ValueError, RecursionError, BadInput) as error:
        raise NotVerified(f"{what} is not canonical JSON") from error
    if not same or not isinstance(value, dict):
        raise NotVerified(f"{what} is not one canonical JSON object")
    return value


def _refuse_number(text: str) -> NoReturn:
    raise ValueError("no fractions, NaN or infinities")


class Fields:
    """Typed access to a signed object: every wrong shape is NotVerified, never a KeyError."""

    def __init__(self, value: Json, what: str) -> None:
        self._value = value
        self._what = what

    def _get(self, name: str, kind: type[T]) -> T:
        found = self._value.get(name) if isinstance(self._value, dict) else None
        if type(found) is not kind:
            raise NotVerified(f"{self._what}: {name} is missing or not a {kind.__name__}")
        return found

    def text(self, name: str) -> str:
        """A string."""
        return self._get(name, str)

    def count(self, name: str) -> int:
        """An integer."""
        return self._get(name, int)

    def part(self, name: str) -> Fields:
        """An object inside this one."""
        return Fields(self._get(name, dict), f"{self._what}.{name}")

    def parts(self, name: str) -> list[Fields]:
        """The objects of a list."""
        return [Fields(item, f"{self._what}.{name}") for item in self._get(name, list)]

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings."""
        found = self._get(name, list)
        if not all(type(item) is str for item in found):
            raise NotVerified(f"{self._what}: {name} holds something that is not a string")
        return tuple(found)

    def counts(self, name: str) -> tuple[int, ...]:
        """A list of integers."""
        found = self._get(name, list)
        if not all(type(item) is int for item in found):
            raise NotVerified(f"{self._what}: {name} holds something that is not an integer")
        return tuple(found)

    def text_map(self, name: str) -> Mapping[str, str]:
        """An object whose values are strings."""
        found = self._get(name, dict)
        if not all(type(item) is str for item in found.values()):
            raise NotVerified(f"{self._what}: {name} holds something that is not a string")
        return cast("dict[str, str]", found)

    def count_map(self, name: str) -> Mapping[str, int]:
        """An object whose values are integers."""
        found = self._get(name, dict)
        if not all(type(item) is int for item in found.values()):
            raise NotVerified(f"{self._what}: {name} holds something that is not an integer")
        return cast("dict[str, int]", found)
