"""The SQL that packages write, which SQLite reads as it stands, as PostgreSQL reads it.

Statements are written once, in the common subset; four things are called differently:
placeholders, types, the options of a table, and the search for bytes within bytes. What
stands within quotes is never touched. Types are written in capitals.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Mapping, Sequence

from cloister.core.events import Parameters, SqlValue

_TOKEN = re.compile(
    r"""(?P<quoted>'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/)"""
    r"""|(?:(?P<mark>\?)|(?<![:\w]):(?P<name>[A-Za-z_]\w*))(?P<absent>(?=\s+IS\s+(?:NOT\s+)?NULL))?"""
    r"""|(?P<option>,?\s*\bWITHOUT\s+ROWID\b|\)\s*STRICT\b)"""
    r"""|(?P<word>\b(?:INTEGER|BLOB|REAL|TEXT)\b|\binstr(?=\s*\())""",
    re.DOTALL,
)
_WORDS = {
    "INTEGER": "BIGINT",
    "BLOB": "BYTEA",
    "REAL": "DOUBLE PRECISION",
    "TEXT": "TEXT",
    "instr": '"position"',  # with quotes it takes its arguments in the order of instr
}
_DEFINES = re.compile(r"\s*(CREATE|ALTER)\s+TABLE\b", re.IGNORECASE)


def bound(sql: str, parameters: Parameters) -> tuple[str, Sequence[SqlValue]]:
    """The statement with ``$1``, ``$2``..., and its values in that order."""
    statement, names = translated_sql(sql)
    if isinstance(parameters, Mapping):
        return statement, [parameters[name] for name in names]
    return statement, parameters


@functools.lru_cache(maxsize=4096)
def translated_sql(sql: str) -> tuple[str, tuple[str, ...]]:
    """The statement for PostgreSQL, and the names of its named placeholders by number."""
    names: list[str] = []
    numbers: dict[str, int] = {}
    marks = itertools.count(1)
    text = 'TEXT COLLATE "C"' if _DEFINES.match(sql) else "TEXT"  # ordered by bytes

    def one(found: re.Match[str]) -> str:
        if found["mark"]:
            return _placeholder(found, next(marks))
        if name := found["name"]:
            if found["absent"] is not None or name not in numbers:
                names.append(name)
                if found["absent"] is None:
                    numbers[name] = len(names)
                return _placeholder(found, len(names))
            return _placeholder(found, numbers[name])
        if found["option"]:
            return ")" if found["option"].startswith(")") else ""
        if word := found["word"]:
            return text if word == "TEXT" else _WORDS[word]
        return found["quoted"]

    return _TOKEN.sub(one, sql), tuple(names)


def _placeholder(found: re.Match[str], number: int) -> str:
    """A value that is only asked whether it is there has no type unless one is named; one
    that is made small would follow the server's language, where a column does not."""
    if found["absent"] is not None:
        return f"CAST(${number} AS TEXT)"
    lowered = found.string.endswith("LOWER(", 0, found.start())
    return f'${number} COLLATE "C"' if lowered else f"${number}"
