"""What the record says of a thing, as tags that clients read and cannot set."""

from __future__ import annotations

from collections.abc import Iterable

from cloister.workflows.tracking.marks import Marks

STATE, TAINTED = "cloister.state", "TAINTED"
"""A tag of what is made of data of somebody who was erased since."""
CLASS = "cloister.data_class"
"""A tag of what is made of data: the highest class of them."""
_OURS = frozenset({STATE, CLASS})


def tags(said: Iterable[tuple[str, str]], marks: Marks) -> list[dict[str, str]]:
    """What was set, and what is so."""
    return [{"key": key, "value": value} for key, value in pairs(said, marks)]


def pairs(said: Iterable[tuple[str, str]], marks: Marks) -> list[tuple[str, str]]:
    """The same by name and value: a client's tag of one of our names is not shown."""
    shown = [(key, value) for key, value in said if key not in _OURS]
    if marks.tainted:
        shown.append((STATE, TAINTED))
    if marks.data_class is not None:
        shown.append((CLASS, marks.data_class))
    return shown
