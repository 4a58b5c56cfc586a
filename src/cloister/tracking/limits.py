"""How long names and values may be, and what they may hold: the limits MLflow's server sets."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable

from cloister.core.errors import BadInput

KEY_CHARS = 250
PARAM_CHARS = 6000
TAG_CHARS = 8000
EXPERIMENT_TAG_CHARS = 20_000
EXPERIMENT_NAME_CHARS = 500
RUN_NAME_CHARS = TAG_CHARS
POINTS_A_BATCH = 1000
TEXTS_A_BATCH = 100
INT64 = 1 << 63
LATEST_MS = 2**53 - 1
"""Times are kept in events as plain integers, which no reader rounds up to here."""
_NAME = re.compile(r"[/\w.\- :]*")
_RUN_ID = re.compile(r"[a-zA-Z0-9][\w\-]{0,255}")
_KNOWN_NAMES: dict[str, bool] = {}
_MOST_KNOWN = 4096


def check_name(name: str, what: str) -> None:
    """Raises BadInput unless ``name`` can name a metric, a parameter or a tag."""
    if name in _KNOWN_NAMES:
        return
    check_text(name, what, KEY_CHARS)
    if not _NAME.fullmatch(name) or not name:
        raise BadInput(
            f"Invalid value for {what}: names may only contain alphanumerics, underscores (_),"
            " dashes (-), periods (.), spaces ( ), colon(:) and slashes (/)"
        )
    normal = posixpath.normpath(name)
    if normal != name or normal == "." or normal.startswith(("..", "/")):
        raise BadInput(
            f"Invalid value for {what}: names may be treated as files, and must not resolve to"
            " other names when treated as such"
        )
    if len(_KNOWN_NAMES) < _MOST_KNOWN:  # a script logs the same few names all its life
        _KNOWN_NAMES[name] = True


def check_text(text: str, what: str, most_chars: int) -> None:
    """Raises BadInput for text that is too long, or that no database holds."""
    if len(text) > most_chars:
        raise BadInput(
            f"'{what}' exceeds the maximum length of {most_chars} characters:"
            f" it has {len(text)}"
        )
    if "\0" in text:
        raise BadInput(f"'{what}' holds a NUL character, which no database keeps")


def check_run_id(run: str) -> None:
    """Raises BadInput for what cannot be the id of a run."""
    if not _RUN_ID.fullmatch(run):
        raise BadInput("Invalid value for parameter 'run_id' supplied")


def check_experiment_name(name: str) -> None:
    """Raises BadInput for an empty name or one that is too long."""
    if not name:
        raise BadInput("Invalid experiment name: it is empty")
    check_text(name, "name", EXPERIMENT_NAME_CHARS)


def check_time(time_ms: int, what: str) -> None:
    """Raises BadInput for a time before 1970, or too late for a reader of the ledger."""
    if not 0 <= time_ms <= LATEST_MS:
        raise BadInput(
            f"Invalid value for '{what}': expected milliseconds since 1970, 0 to {LATEST_MS}"
        )


def check_count(what: str, count: int, most: int) -> None:
    """Raises BadInput for more than fit in one request."""
    if count > most:
        raise BadInput(
            f"A batch logging request can contain at most {most} {what}. Got {count} {what}."
            f" Please split up {what} across multiple requests and try again."
        )


def experiment_number(text: str) -> int:
    """The number an experiment's id spells; raises BadInput for anything else."""
    if text.isascii() and text.isdigit() and len(text) <= 18:
        return int(text)
    raise BadInput("Invalid experiment ID: it must be a whole number")


def first_twice(keys: Iterable[str]) -> str | None:
    """The first key that comes a second time."""
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            return key
        seen.add(key)
    return None
