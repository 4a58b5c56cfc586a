"""Canonical JSON (RFC 8785): one value, one byte string, so that a hash means the value."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from cloister.core.errors import BadInput

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

_SAFE_INTEGER = 2**53 - 1  # RFC 8785 3.2.2.3: beyond it, IEEE 754 readers disagree
_string = json.encoder.encode_basestring
_plain_json = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, sort_keys=True, separators=(",", ":")
).encode


def canonical(value: object, *, floats: bool = True) -> bytes:
    """``value`` as UTF-8 canonical JSON; raises BadInput for what JSON cannot hold exactly.

    Without ``floats`` it raises for them as well: 5.0 is written ``5``, and would be read
    back as another type.
    """
    try:
        if _is_plain(value):
            return _plain_json(value).encode()
        if not floats and _holds_float(value):
            raise BadInput("canonical JSON: no floats here; send numbers as integers or text")
        return _render(value).encode()
    except UnicodeEncodeError as error:
        raise BadInput("canonical JSON: a string holds a lone surrogate") from error


def _is_plain(value: object) -> bool:
    """Whether the standard library's encoder writes it canonically, many times faster.

    It does for built-in containers, integers in range and names in ASCII, whose order is the
    same in UTF-16; it does not for floats.
    """
    if isinstance(value, dict):
        for name in value:
            if not (isinstance(name, str) and name.isascii()):
                return False
        items: Iterable[object] = value.values()
    elif isinstance(value, list | tuple):
        items = value
    else:
        items = (value,)
    for item in items:
        if item is None or isinstance(item, str):
            continue
        if isinstance(item, int):
            if not -_SAFE_INTEGER <= item <= _SAFE_INTEGER:
                return False
        elif not (isinstance(item, (dict, list, tuple)) and _is_plain(item)):
            return False
    return True


def _holds_float(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(map(_holds_float, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_holds_float, value))
    return isinstance(value, float)


def _render(value: object) -> str:  # noqa: PLR0911 - one return per JSON type reads best
    if isinstance(value, str):
        return _string(value)
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, int):
        if abs(value) > _SAFE_INTEGER:
            raise BadInput("canonical JSON: integer beyond 2^53 - 1; send it as a string")
        return str(int(value))
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, Mapping):
        return _object(value)
    if isinstance(value, list | tuple):
        return "[" + ",".join([_render(item) for item in value]) + "]"
    raise BadInput(f"canonical JSON: cannot hold a {type(value).__name__}")


def _object(value: Mapping[object, object]) -> str:
    if not all(isinstance(key, str) for key in value):
        raise BadInput("canonical JSON: an object's keys are strings")
    names = sorted(value, key=_utf16)  # type: ignore[arg-type]
    return "{" + ",".join([f"{_string(n)}:{_render(value[n])}" for n in names]) + "}"  # type: ignore[arg-type]


def _utf16(name: str) -> bytes:
    return name.encode("utf-16-be", "surrogatepass")  # RFC 8785 3.2.3: order of UTF-16 units


def _number(value: float) -> str:
    """ECMAScript's Number::toString, which RFC 8785 3.2.2.3 prescribes."""
    if not math.isfinite(value):
        raise BadInput("canonical JSON: NaN and infinities have no JSON number")
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = f"{abs(value)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = "" if fraction == "0" else fraction
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    return sign + _place_point(digits, point)


def _place_point(digits: str, point: int) -> str:
    """``0.digits * 10**point`` in the shortest ECMAScript spelling."""
    if len(digits) <= point <= 21:
        return digits + "0" * (point - len(digits))
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return "0." + "0" * -point + digits
    head = digits[0] + (f".{digits[1:]}" if len(digits) > 1 else "")
    return f"{head}e{'+' if point > 0 else '-'}{abs(point - 1)}"
