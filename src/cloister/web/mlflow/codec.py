"""Bodies in the JSON of protocol buffers, without protocol buffers.

As MLflow's server reads and writes them: an int64 comes as a number or as a string, NaN and
infinities as strings, null is absence, a name comes in snake_case or lowerCamelCase, unknown
names are passed over. https://protobuf.dev/programming-guides/json/
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn
from urllib.parse import parse_qs

from cloister.web.mlflow.errors import Refusal

_INT64 = 1 << 63
_WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
# As JSON spells numbers: Python's own readers take blanks, underscores and a plus as well.
_INTEGER = re.compile(r"-?[0-9]{1,19}")
_REAL = re.compile(r"(?=.{1,400}$)-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_SEE = "See the API docs for more information about request parameters."


class Message:
    """The fields of one request, read by name and type; raises Refusal for another type."""

    __slots__ = ("_query", "values")

    def __init__(self, values: Mapping[str, Any], *, query: bool = False) -> None:
        self.values = values
        """As they came, read by nobody."""
        self._query = query  # each value is then a list of strings

    @classmethod
    def of_json(cls, body: bytes) -> Message:
        """From a request's body; an empty one has no fields."""
        try:
            value = json.loads(body) if body else {}
            if isinstance(value, str):  # old clients encode twice
                value = json.loads(value)
        except (ValueError, RecursionError):
            raise Refusal("BAD_REQUEST", "the body is not JSON") from None
        if value is None:
            value = {}
        if not isinstance(value, dict):
            raise Refusal("BAD_REQUEST", "the body is not a JSON object")
        return cls(value)

    @classmethod
    def of_query(cls, query: bytes) -> Message:
        """From the query of a GET."""
        try:
            text = query.decode("ascii")
            return cls(
                parse_qs(text, keep_blank_values=True, errors="strict", max_num_fields=5000),
                query=True,
            )
        except ValueError:
            raise Refusal("BAD_REQUEST", "the query is not UTF-8, or too long") from None

    def has(self, name: str) -> bool:
        """Whether the field is there."""
        return self._find(name) is not None

    def text(self, name: str, default: str = "") -> str:
        """A string."""
        value = self._single(name)
        return default if value is None else _text(name, value)

    def required(self, name: str) -> str:
        """A string that must be there and hold something."""
        value = self._single(name)
        if value is None or value == "":
            missing(name)
        return _text(name, value)

    def optional(self, name: str) -> str | None:
        """A string, or None where there is none."""
        value = self._single(name)
        return None if value is None else _text(name, value)

    def whole(self, name: str, default: int = 0) -> int:
        """An int64."""
        value = self._single(name)
        return default if value is None else _whole(name, value)

    def number(self, name: str, default: float = 0.0) -> float:
        """A double."""
        value = self._single(name)
        return default if value is None else _number(name, value)

    def flag(self, name: str, default: bool = False) -> bool:
        """A bool."""
        value = self._single(name)
        if value is None or isinstance(value, bool):
            return default if value is None else value
        if self._query and isinstance(value, str) and value.lower() in {"true", "false"}:
            return value.lower() == "true"
        return wrong(name, "true or false", value)

    def texts(self, name: str) -> list[str]:
        """Repeated strings."""
        return [_text(name, item) for item in self._list(name)]

    def message(self, name: str) -> Message | None:
        """A nested message, or None."""
        value = self._single(name)
        return None if value is None else _message(name, value)

    def messages(self, name: str) -> list[Message]:
        """Repeated messages."""
        return [_message(name, item) for item in self._list(name)]

    def mapping(self, name: str) -> Mapping[str, Any]:
        """A map or a free-form object as it came; empty where there is none."""
        value = self._single(name)
        if value is None:
            return {}
        return value if isinstance(value, dict) else wrong(name, "an object", value)

    def raw(self, name: str) -> Any:
        """Whatever came; for what is kept as JSON."""
        return self._single(name)

    def _single(self, name: str) -> Any:
        value = self._find(name)
        return value[0] if self._query and value is not None else value

    def _list(self, name: str) -> Sequence[Any]:
        value = self._find(name)
        if value is None:
            return ()
        return value if isinstance(value, list) else wrong(name, "a list", value)

    def _find(self, name: str) -> Any:
        value = self.values.get(name)
        if "_" not in name:
            return value
        head, *rest = name.split("_")
        other = self.values.get(head + "".join(word.capitalize() for word in rest))
        if value is not None and other is not None:
            # Whoever authorises one spelling must not see the other acted on.
            raise Refusal("INVALID_PARAMETER_VALUE", f"'{name}' is given in two spellings")
        return other if value is None else value


def missing(name: str) -> NoReturn:
    """Raises what MLflow says of a required parameter that is not there."""
    said = f"Missing value for required parameter '{name}'. {_SEE}"
    raise Refusal("INVALID_PARAMETER_VALUE", said)


def wrong(name: str, expected: str, value: object) -> NoReturn:
    """Raises what is said of a value of another type; the value is not repeated."""
    said = (
        f"Invalid value for parameter '{name}' supplied: expected {expected}."
        f" Hint: Value was of type '{type(value).__name__}'. {_SEE}"
    )
    raise Refusal("INVALID_PARAMETER_VALUE", said)


class Written(str):
    """Text that is JSON already: put together by whoever answers with many small parts."""

    __slots__ = ()


def written(number: float) -> str:
    """A number as JSON; NaN and infinities are the strings that clients expect."""
    return repr(number) if math.isfinite(number) else f'"{_finite(number)}"'


def encode(value: object) -> bytes:
    """``value`` as JSON; NaN and infinities become the strings that clients expect."""
    if isinstance(value, Written):
        return value.encode()
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        text = json.dumps(_finite(value), ensure_ascii=False, separators=(",", ":"))
    return text.encode()


def _finite(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        wrong(name, "a string", value)
    if "\0" in value or not _is_unicode(value):
        said = f"Invalid value for parameter '{name}' supplied: not text in Unicode. {_SEE}"
        raise Refusal("INVALID_PARAMETER_VALUE", said)
    return value


def _is_unicode(value: str) -> bool:
    """Whether it could be stored: JSON can spell half a surrogate pair, no text holds one."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _whole(name: str, value: object) -> int:
    try:
        if isinstance(value, str) and _INTEGER.fullmatch(value):
            value = int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
    except ValueError:
        wrong(name, "a whole number", value)
    if isinstance(value, bool) or not isinstance(value, int) or not -_INT64 <= value < _INT64:
        wrong(name, "a whole number of 64 bits", value)
    return value


def _number(name: str, value: object) -> float:
    if isinstance(value, str):
        if value in _WORDS:
            return _WORDS[value]
        try:
            found = float(value) if _REAL.fullmatch(value) else math.inf
        except ValueError:
            found = math.inf
        return found if math.isfinite(found) else wrong(name, "a number", value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        wrong(name, "a number", value)
    try:
        return float(value)
    except OverflowError:
        wrong(name, "a number", value)


def _message(name: str, value: object) -> Message:
    return Message(value) if isinstance(value, dict) else wrong(name, "an object", value)
