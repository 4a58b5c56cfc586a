"""MLflow's filters: comparisons joined by AND, as values; no word of them reaches SQL."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from cloister.core.errors import BadInput

MOST_CHARS = 20_000
MOST_COMPARISONS = 100
LIKE = frozenset({"LIKE", "ILIKE"})
LISTS = frozenset({"IN", "NOT IN"})
PRESENCE = frozenset({"IS NULL", "IS NOT NULL"})
EQUALITY = frozenset({"=", "!="})
ORDER = frozenset({"<", "<=", ">", ">="})
_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<number>-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?(?![\w.]))
    |(?P<operator>[<>=!~]+)
    |(?P<name>(?:[^\W\d]\w*|`[^`]*`|"[^"]*")(?:\.(?:\w+|`[^`]*`|"[^"]*"))*)
    |(?P<mark>[(),])""",
    re.VERBOSE,
)
_PART = re.compile(r"\w+|`[^`]*`|\"[^\"]*\"")

Value = str | int | float | tuple[str, ...] | None


class Token(NamedTuple):
    """A word of a filter."""

    kind: str
    """``number``, ``operator``, ``name``, ``mark`` or ``text``."""
    text: str


class Name(NamedTuple):
    """What a comparison or an order is about: ``metrics.acc`` is ("metrics", "acc")."""

    entity: str | None
    key: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """One condition, as it was written."""

    name: Name
    operator: str
    """In capitals: ``=``, ``!=``, ``<``, ``LIKE``, ``NOT IN``, ``IS NULL``..."""
    value: Value
    """Text, a number, several texts, or None where the operator takes none."""


def parse(text: str) -> list[Comparison]:
    """The conditions that must all hold; raises BadInput for what is no filter."""
    if len(text) > MOST_CHARS:
        raise BadInput(f"Invalid filter string: longer than {MOST_CHARS} characters")
    reader = _Reader(list(_tokens(text)))
    found: list[Comparison] = []
    while not reader.at_end():
        if found:
            reader.keyword("AND")
        found.append(_comparison(reader))
        if len(found) > MOST_COMPARISONS:
            raise BadInput(f"Invalid filter string: more than {MOST_COMPARISONS} conditions")
    return found


def parse_order(text: str) -> tuple[Name, bool]:
    """What to order by, and whether ascending; raises BadInput for what is no order."""
    if len(text) > MOST_CHARS:
        raise BadInput("Invalid order_by clause: too long")
    tokens = list(_tokens(text))
    directions = {"ASC": True, "DESC": False}
    if len(tokens) in {1, 2} and tokens[0].kind == "name":
        name = _name(tokens[0].text)
        if len(tokens) == 1:
            return name, True
        if tokens[1].text.upper() in directions:
            return name, directions[tokens[1].text.upper()]
    raise BadInput(
        "Invalid order_by clause: expected one name, in backticks if it holds special"
        " characters, and ASC or DESC"
    )


def _comparison(reader: _Reader) -> Comparison:
    name = _name(reader.take("name", "a name such as metrics.acc").text)
    word = reader.next("a comparison")
    if word.kind == "operator":
        return Comparison(name, word.text, _value(reader))
    operator = word.text.upper()
    if operator == "IS":
        return Comparison(name, _presence(reader), None)
    if operator == "NOT":
        reader.keyword("IN")
        return Comparison(name, "NOT IN", _list(reader))
    if operator == "IN":
        return Comparison(name, "IN", _list(reader))
    if operator in LIKE:
        return Comparison(name, operator, _value(reader))
    raise BadInput("Invalid comparison clause in filter string: expected a comparator")


def _presence(reader: _Reader) -> str:
    word = reader.next("NULL or NOT NULL").text.upper()
    if word == "NOT":
        reader.keyword("NULL")
        return "IS NOT NULL"
    if word != "NULL":
        raise BadInput("Invalid clause in filter string: expected IS NULL or IS NOT NULL")
    return "IS NULL"


def _value(reader: _Reader) -> str | int | float:
    token = reader.next("a value")
    if token.kind == "text":
        return token.text
    if token.kind == "name" and token.text[0] == '"' == token.text[-1]:
        return token.text[1:-1]
    if token.kind == "number":
        return _number(token.text)
    raise BadInput(
        "Invalid value in filter string: it is either not quoted or in quotes of another type"
        " than single or double ones"
    )


def _number(text: str) -> int | float:
    """Raises BadInput for an integer longer than any column holds."""
    if re.fullmatch(r"-?\d+", text):
        if len(text) > 19:
            return float(text)
        return int(text)
    return float(text)


def _list(reader: _Reader) -> tuple[str, ...]:
    reader.mark("(")
    found: list[str] = []
    while True:
        value = _value(reader)
        if not isinstance(value, str):
            raise BadInput("Invalid list in filter string: expected quoted strings")
        found.append(value)
        mark = reader.next("',' or ')'").text
        if mark == ")":
            return tuple(found)
        if mark != ",":
            raise BadInput("Invalid list in filter string: expected ',' or ')'")
        if reader.closes():
            return tuple(found)


def _name(text: str) -> Name:
    parts = _PART.findall(text)
    plain = [_unquoted(part) for part in parts]
    if len(parts) == 1:
        return Name(None, plain[0])
    quoted = [part[0] in '`"' for part in parts]
    if any(quoted[1:]) and len(parts) > 2:
        raise BadInput("Invalid name in filter string: put all of the key into quotes")
    return Name(plain[0], ".".join(plain[1:]))


def _unquoted(part: str) -> str:
    return part[1:-1] if part[0] in '`"' else part


def _tokens(text: str) -> Iterator[Token]:
    at = 0
    while at < len(text):
        if text[at] == "'":
            end = _end_of_text(text, at)
            yield Token("text", text[at + 1 : end])
            at = end + 1
            continue
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise BadInput(f"Invalid clause(s) in filter string, at character {at + 1}")
        if match.lastgroup != "space":
            yield Token(match.lastgroup, match[0])
        at = match.end()


def _end_of_text(text: str, start: int) -> int:
    """Where the quote that begins at ``start`` ends; what is between is taken as it stands."""
    at = start + 1
    while (at := text.find("'", at)) >= 0:
        doubled = text.startswith("''", at)
        escaped = text[at - 1] == "\\" and at - 1 > start and "'" in text[at + 1 :]
        if not doubled and not escaped:
            return at
        at += 2 if doubled else 1
    raise BadInput("Invalid filter string: a quote is not closed")


class _Reader:
    """The tokens, one after another."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def at_end(self) -> bool:
        return self._at == len(self._tokens)

    def next(self, expected: str) -> Token:
        if self.at_end():
            raise BadInput(f"Invalid filter string: it ends where {expected} is expected")
        self._at += 1
        return self._tokens[self._at - 1]

    def take(self, kind: str, expected: str) -> Token:
        token = self.next(expected)
        if token.kind != kind:
            raise BadInput(f"Invalid clause(s) in filter string: expected {expected}")
        return token

    def keyword(self, word: str) -> None:
        if self.next(word).text.upper() != word:
            raise BadInput(f"Invalid clause(s) in filter string: expected {word}")

    def mark(self, mark: str) -> None:
        if self.next(mark) != Token("mark", mark):
            raise BadInput(f"Invalid clause(s) in filter string: expected {mark}")

    def closes(self) -> bool:
        """Whether a closing parenthesis comes next; it is taken."""
        if not self.at_end() and self._tokens[self._at] == Token("mark", ")"):
            self._at += 1
            return True
        return False


Condition = tuple[str, list[str | int | float]]
"""SQL with ``?`` marks, and what is bound to them."""


def compared(column: str, operator: str, value: Value) -> Condition:
    """``column operator value`` in SQL; the first two are ours, never a caller's."""
    if isinstance(value, tuple):
        marks = ", ".join("?" * len(value))
        return f"{column} {operator} ({marks})", list(value)
    assert value is not None
    if operator in LIKE:
        pattern = str(value).replace("\\", "\\\\")
        if operator == "ILIKE":
            # Engines differ in what they call lower case beyond ASCII; a column's is ASCII's.
            folded = "".join(each.lower() if each.isascii() else each for each in pattern)
            return f"LOWER({column}) LIKE ? ESCAPE '\\'", [folded]
        return f"{column} LIKE ? ESCAPE '\\'", [pattern]
    return f"{column} {operator} ?", [value]


def entity_of(name: Name, aliases: Mapping[str, str]) -> str:
    """What ``name`` is of, in one word; raises BadInput for an unknown entity."""
    if name.entity is None:
        return "attribute"
    if name.entity not in aliases:
        valid = ", ".join(sorted(set(aliases.values())))
        raise BadInput(f"Invalid entity type in filter string. Valid values are {valid}")
    return aliases[name.entity]


def check_operator(operator: str, valid: frozenset[str], what: str) -> None:
    """Raises BadInput for an operator that ``what`` does not have."""
    if operator not in valid:
        raise BadInput(
            f"Invalid comparator for {what} in filter string: expected one of"
            f" {', '.join(sorted(valid))}"
        )
