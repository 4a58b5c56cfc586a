"""``lab.pub``: the public keys of one lab, as they are handed over once and trusted after."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from cloister.core.errors import BadInput
from cloister.core.signing import PublicKey


@dataclass(frozen=True, slots=True)
class LabKeys:
    """What checks a lab's checkpoints and its statements; never one key for both."""

    log: PublicKey
    statement: PublicKey

    def text(self) -> str:
        """The file: ``log`` and ``statement``, one verifier key a line."""
        return f"log {self.log.text()}\nstatement {self.statement.text()}\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The keys in ``text``, comments after ``#`` aside; raises BadInput naming the line."""
        found: dict[str, PublicKey] = {}
        for number, purpose, key in _lines(text):
            if purpose not in {"log", "statement"} or purpose in found:
                raise BadInput(f"lab.pub line {number}: expected one `log` and one `statement`")
            found[purpose] = PublicKey.parse(key)
        if len(found) != 2:
            raise BadInput("lab.pub: expected one `log` and one `statement` line")
        if found["log"].raw == found["statement"].raw:
            raise BadInput("lab.pub: one key cannot sign both checkpoints and statements")
        return cls(found["log"], found["statement"])


def _lines(text: str) -> Iterator[tuple[int, str, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            purpose, _, key = stripped.partition(" ")
            yield number, purpose, key
