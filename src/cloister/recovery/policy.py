"""How much may be lost, and how long it may take to come back, for each class of data."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from cloister.core.errors import BadInput

CLASSES: Mapping[str, str] = {
    "raw": "patient data as they were added",
    "derived": "outputs of runs, models, logs",
    "metadata": "the ledger, and the tables that follow from it",
    "keys": "the keys folder",
    "endpoint": "a model that answers",
    "cache": "what is made again when it is gone",
}
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Objective:
    """What is wanted for one class of data."""

    rpo_s: int
    """Data of the last so many seconds may be lost."""
    rto_s: int
    """After so many seconds it is to be there again."""


_DEFAULT = Objective(_DAY_S, 4 * 3600)
DEFAULTS: Mapping[str, Objective] = {
    **dict.fromkeys(("raw", "derived", "metadata", "endpoint"), _DEFAULT),
    "keys": Objective(0, 4 * 3600),
    "cache": Objective(7 * _DAY_S, _DAY_S),
}


@dataclass(frozen=True, slots=True)
class Policy:
    """An objective for every class."""

    objectives: Mapping[str, Objective]
    given: Mapping[str, Objective]
    """Those that cloister.toml sets."""

    def text(self) -> str:
        """The table for cloister.toml; empty when nothing is set."""
        lines = [
            f"{name} = {{ rpo_s = {one.rpo_s}, rto_s = {one.rto_s} }}"
            for name, one in self.given.items()
        ]
        return "\n".join(["", "[recovery]", *lines, ""]) if lines else ""


def parse_policy(table: object) -> Policy:
    """The table ``[recovery]``; raises BadInput naming what is wrong with it."""
    if not isinstance(table, Mapping):
        raise BadInput("cloister.toml: [recovery] is a table")
    given = {str(name): _objective(str(name), value) for name, value in table.items()}
    return Policy({**DEFAULTS, **given}, given)


def _objective(name: str, value: object) -> Objective:
    if name not in CLASSES:
        close = difflib.get_close_matches(name, CLASSES, 1)
        known = f"did you mean {close[0]}?" if close else f"known: {', '.join(CLASSES)}"
        raise BadInput(f"cloister.toml: [recovery] has no class {name}", hint=known)
    if not isinstance(value, Mapping) or not value.keys() <= {"rpo_s", "rto_s"}:
        raise BadInput(
            f"cloister.toml: [recovery] {name} has rpo_s and rto_s",
            hint=f"{name} = {{ rpo_s = 3600, rto_s = 600 }}",
        )
    seconds = {"rpo_s": DEFAULTS[name].rpo_s, "rto_s": DEFAULTS[name].rto_s, **value}
    for key, number in seconds.items():
        if not isinstance(number, int) or isinstance(number, bool) or number < 0:
            raise BadInput(f"cloister.toml: [recovery] {name}.{key} is a number of seconds")
    return Objective(seconds["rpo_s"], seconds["rto_s"])
